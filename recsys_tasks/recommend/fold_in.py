"""A user vector for someone whom the model has not met, from the movies or genres that they like.

Training gave each user a vector and each item one. What leads from the mean vector of a user's
items to the user's own is, to a good part, linear, and the version's own users show how: a ridge
regression over some thousands of them gives the matrix, and a newcomer goes through it.
"""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.recommend.artifacts import Artifacts

Floats = NDArray[np.float32]

SAMPLE = 4000
"""Trained users that the regression learns from, evenly spread over all."""

RIDGE = 1.0
"""Weight of the penalty on the matrix, in rows."""


class FoldIn:
    """Makes vectors like the rows of ``user_embeddings.npy``: [vector, bias, 1].

    Args:
        artifacts: the version whose users and items show the way.
    """

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def from_rows(self, liked: NDArray[np.int64]) -> Floats:
        """A user vector, float32 ``(components + 2,)``, from rows of items; at least one."""
        return self._mapped(self._artifacts.item_embeddings[liked, :-2].mean(axis=0))

    def from_genres(self, genres: Iterable[str]) -> Floats | None:
        """A user vector from genres, or nothing when the version knows none of them."""
        wanted = [f"genre:{genre}" for genre in genres]
        rows = np.flatnonzero(np.isin(self._artifacts.feature_names, wanted))
        if not len(rows):
            return None
        return self._mapped(self._artifacts.feature_embeddings[rows].mean(axis=0))

    def _mapped(self, mean: Floats) -> Floats:
        vector = _with_constant(mean[None, :]) @ self._matrix
        return np.append(vector[0], [0.0, 1.0]).astype(np.float32)

    @cached_property
    def _matrix(self) -> NDArray[np.float64]:
        """float64 ``(components + 1, components)``: ridge regression, closed form."""
        artifacts = self._artifacts
        lengths = np.diff(artifacts.seen_indptr)
        known = np.flatnonzero((artifacts.user_counts > 0) & (lengths > 0))
        if not len(known):
            return np.zeros(
                (artifacts.item_embeddings.shape[1] - 1, artifacts.item_embeddings.shape[1] - 2)
            )
        users = known[np.linspace(0, len(known) - 1, min(SAMPLE, len(known))).astype(int)]
        means = np.stack([self._mean_of(user) for user in users])
        x = _with_constant(means)
        y = artifacts.user_embeddings[users, :-2]
        gram = x.T @ x + RIDGE * np.eye(x.shape[1])
        return np.asarray(np.linalg.solve(gram, x.T @ y), np.float64)

    def _mean_of(self, user: int) -> Floats:
        start, stop = self._artifacts.seen_indptr[user : user + 2]
        rows = self._artifacts.seen_indices[start:stop]
        mean: Floats = self._artifacts.item_embeddings[rows, :-2].mean(axis=0)
        return mean


def _with_constant(means: Floats) -> NDArray[np.float64]:
    return np.column_stack([means, np.ones(len(means))]).astype(np.float64)
