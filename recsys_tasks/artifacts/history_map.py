"""A user's vector from a history: of newcomers, of users of weak likes only, and for newer history.

Two ways, each for its own columns. Ridge-SVD's are linear in the history: a user's vector is a
weighted sum of item vectors, in training as later. WARP's users have parameters of their own; what
leads to them from the mean vector of a user's items is, to a good part, linear, and a ridge
regression over the trained users finds it. Of someone who names one item little is known, so their
mean is drawn towards that of all users. Needs numpy alone: consumers run it too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.liked import Liked

Floats = NDArray[np.float32]
Rows = NDArray[np.integer]
Weights = NDArray[np.floating]

SAMPLE = 4000
"""Trained users that the regression learns from, evenly spread over all."""

RIDGE = 1.0
"""Penalty of the regression, in users."""

PRIOR = 2.0
"""Items' worth of the average user that everyone begins with."""


@dataclass(frozen=True, eq=False)
class SumPart:
    """The columns of a user's vector that are a sum: ``history @ (item_scale * items) + base``.

    Args:
        item_scale: float32 ``(n_items,)``; what an item's vector is multiplied by.
        base: float32 ``(s,)``; the vector of a user without history.
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
        sums: of the first columns.
        centre: float32 ``(m,)``; mean over users of the mean vector of their items.
        matrix: float32 ``(m + 1, m)``; from a drawn mean, and a one, to a user's vector.
        prior: items' worth of ``centre`` in everyone's mean.
    """

    sums: SumPart
    centre: Floats
    matrix: Floats
    prior: float = PRIOR

    @classmethod
    def learn(
        cls,
        users: Floats,
        items: Floats,
        trained: NDArray[np.bool_],
        liked: Liked,
        sums: SumPart | None = None,
    ) -> "HistoryMap":
        """The map whose mean part leads from the trained users' items nearest to their vectors.

        Args:
            users, items: rows of ``user_embeddings.npy`` and ``item_embeddings.npy``.
            trained: which users have a trained vector.
            liked: of these users.
            sums: of the first columns; None: there are none.
        """
        sums = sums or SumPart.nothing(len(items))
        near = len(sums.base)
        far, n_means = items[:, near:-2], items.shape[1] - 2 - near
        known = np.flatnonzero(trained & (liked.lengths > 0))
        if not len(known):
            matrix = np.zeros((n_means + 1, n_means), np.float32)
            return cls(sums, np.zeros(n_means, np.float32), matrix)
        chosen = known[np.linspace(0, len(known) - 1, min(SAMPLE, len(known))).astype(int)]
        means = np.stack([_mean(far, *liked.of(user)) for user in chosen]).astype(np.float64)
        x = np.column_stack([means, np.ones(len(means))])
        gram = x.T @ x + RIDGE * np.eye(n_means + 1)
        matrix = np.linalg.solve(gram, x.T @ users[chosen, near:-2])
        return cls(sums, means.mean(axis=0).astype(np.float32), matrix.astype(np.float32))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "HistoryMap":
        """Out of the arrays of ``fold_in.npz``."""
        sums = SumPart(arrays["item_scale"], arrays["base"])
        return cls(sums, arrays["centre"], arrays["matrix"], float(arrays["prior"]))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of ``fold_in.npz``."""
        return {
            "item_scale": self.sums.item_scale,
            "base": self.sums.base,
            "centre": self.centre,
            "matrix": self.matrix,
            "prior": np.array(self.prior, np.float32),
        }

    def vector(self, items: Floats, rows: Rows, weights: Weights) -> Floats:
        """A user's row ``[vector, 0, 1]``, float32 ``(components + 2,)``.

        Args:
            items: rows of ``item_embeddings.npy``.
            rows: what the user likes; may be empty.
            weights: of each, as in training: 1 for a training positive, less for a weaker one.
        """
        near, n = len(self.sums.base), len(rows)
        sums = (weights * self.sums.item_scale[rows]) @ items[rows, :near] + self.sums.base
        mean = _mean(items[:, near:-2], rows, weights) if n else self.centre
        drawn = self.centre + (mean - self.centre) * (n / (n + self.prior))
        means = np.append(drawn, 1.0) @ self.matrix
        return np.concatenate([sums, means, [0.0, 1.0]]).astype(np.float32)


def _mean(items: Floats, rows: Rows, weights: Weights) -> NDArray[np.floating]:
    """The weighted mean of some rows, at least one."""
    mean: NDArray[np.floating] = (weights @ items[rows]) / weights.sum()
    return mean
