"""What makes a user's vector of a history: for users whom no fit has met, and for newer history.

Two ways, each for its own columns. Ridge-SVD's are linear in the history: a user's vector is a
weighted sum of item vectors, in training as later. WARP's users have parameters of their own; what
leads to them from the mean vector of a user's items is, to a good part, linear, and a ridge
regression over the trained users finds it. Of someone who names one item little is known, so their
mean is drawn towards that of all users.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsys_tasks.matrices.interactions import Arrays, Csr
from recsys_tasks.model.engines.gram import project

Floats = NDArray[np.float32]

RIDGE = 1.0
"""Penalty of the regression, in users."""

PRIOR = 2.0
"""Items' worth of the average user that everyone begins with."""


@dataclass(frozen=True, eq=False)
class SumPart:
    """The columns of a user's vector that are a sum: ``history @ (item_scale * items) + base``.

    Args:
        item_scale: float32 ``(n_items,)``; what an item's vector is multiplied by.
        base: float32 ``(c,)``; the vector of a user without history.
    """

    item_scale: Floats
    base: Floats

    @classmethod
    def nothing(cls, n_items: int) -> "SumPart":
        """No column at all."""
        return cls(np.zeros(n_items, np.float32), np.zeros(0, np.float32))


@dataclass(frozen=True, eq=False)
class HistoryMap:
    """From a history to a user's vector: the columns of a sum, then those of a mean.

    Args:
        sums: the first columns.
        centre: float32 ``(m,)``; mean over users of the mean vector of their items.
        matrix: float32 ``(m + 1, m)``; from a drawn mean, and a one, to a user's vector.
    """

    sums: SumPart
    centre: Floats
    matrix: Floats

    def users(self, history: Csr, items: Floats) -> Floats:
        """Vectors of the users with these histories, float32 ``(n_users, c)``.

        Args:
            history: CSR float32 ``(n_users, n_items)``, weights as in training.
            items: float32 ``(n_items, c)``; the model's item vectors.
        """
        near = len(self.sums.base)
        of_sums = project(history, self.sums.item_scale[:, None] * items[:, :near])
        of_sums += self.sums.base
        means, counts = mean_vectors(history, items[:, near:])
        drawn = self.centre + (means - self.centre) * (counts / (counts + PRIOR))[:, None]
        of_means = drawn @ self.matrix[:-1] + self.matrix[-1]
        return np.hstack((of_sums, of_means.astype(np.float32)))

    def to_arrays(self) -> Arrays:
        """Plain arrays for an .npz."""
        return {
            "item_scale": self.sums.item_scale,
            "base": self.sums.base,
            "centre": self.centre,
            "matrix": self.matrix,
            "prior": np.array(PRIOR, np.float32),
        }


def fit_history_map(sums: SumPart, history: Csr, users: Floats, items: Floats) -> HistoryMap:
    """The map whose mean part leads from the trained users' items nearest to their vectors.

    Args:
        sums: of the first columns.
        history: CSR float32 ``(n_users, n_items)``; what the model was trained on.
        users: float32 ``(n_users, c)`` and
        items: float32 ``(n_items, c)``; the model's vectors.
    """
    near = len(sums.base)
    trained = np.flatnonzero(np.diff(history.indptr))
    means = mean_vectors(history[trained], items[:, near:])[0].astype(np.float64)
    with threadpool_limits(1, user_api="blas"):
        x = np.column_stack((means, np.ones(len(means))))
        gram = x.T @ x + RIDGE * np.eye(x.shape[1])
        matrix = np.linalg.solve(gram, x.T @ users[trained, near:])
    return HistoryMap(sums, means.mean(axis=0).astype(np.float32), matrix.astype(np.float32))


def mean_vectors(history: Csr, items: Floats) -> tuple[Floats, Floats]:
    """The mean vector of each user's items, zero without any, and their number, both float32."""
    counts = np.diff(history.indptr).astype(np.float32)
    ones = history.copy()
    ones.data = np.ones_like(history.data)
    means = project(ones, np.ascontiguousarray(items))
    means /= np.maximum(counts, 1)[:, None]
    return means, counts
