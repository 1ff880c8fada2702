"""A user vector from the items that someone likes, by a regression over a version's own users.

Training gave each user a vector and each item one. What leads from the mean vector of a user's
items to the user's own is, to a good part, linear: a ridge regression over some thousands of users
gives the matrix, and whoever has no vector goes through it. Of someone who likes one item little is
known, so their mean is drawn towards that of all users. Needs numpy alone: consumers run it too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.liked import Liked

Floats = NDArray[np.float32]

SAMPLE = 4000
"""Trained users that the regression learns from, evenly spread over all."""

RIDGE = 1.0
"""Weight of the penalty on the matrix, in rows."""

PRIOR = 2.0
"""Items' worth of the average user that everyone begins with."""


@dataclass(frozen=True, eq=False)
class FoldInMap:
    """What the regression found.

    Args:
        centre: mean over users of the mean vector of their items, ``(components,)``.
        matrix: ``(components + 1, components)``; the last row belongs to the constant.
    """

    centre: NDArray[np.float64]
    matrix: NDArray[np.float64]

    @classmethod
    def learn(
        cls, users: Floats, items: Floats, trained: NDArray[np.bool_], liked: Liked
    ) -> "FoldInMap":
        """The map from likes to vectors, from users who have both.

        Args:
            users, items: rows of ``user_embeddings.npy`` and ``item_embeddings.npy``.
            trained: which users have a trained vector.
            liked: of these users.
        """
        known, components = np.flatnonzero(trained & (liked.lengths > 0)), items.shape[1] - 2
        if not len(known):
            return cls(np.zeros(components), np.zeros((components + 1, components)))
        chosen = known[np.linspace(0, len(known) - 1, min(SAMPLE, len(known))).astype(int)]
        means = np.stack([mean_of(items, liked.of(user)) for user in chosen]).astype(np.float64)
        x = np.column_stack([means, np.ones(len(means))])
        gram = x.T @ x + RIDGE * np.eye(components + 1)
        matrix = np.linalg.solve(gram, x.T @ users[chosen, :-2])
        return cls(means.mean(axis=0), np.asarray(matrix, np.float64))

    def vector(self, mean: NDArray[np.floating], n_items: int) -> Floats:
        """A user's row ``[vector, 0, 1]``, float32 ``(components + 2,)``, from the mean of ``n_items`` vectors."""
        drawn = self.centre + (mean - self.centre) * (n_items / (n_items + PRIOR))
        return np.concatenate([np.append(drawn, 1.0) @ self.matrix, [0.0, 1.0]]).astype(np.float32)


def mean_of(items: Floats, rows: NDArray[np.integer]) -> Floats:
    """The mean vector of some items, without their biases; at least one."""
    mean: Floats = items[rows, :-2].mean(axis=0)
    return mean
