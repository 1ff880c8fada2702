"""A user vector for someone whom the model has not met, from the movies or genres that they like.

Training gave each user a vector and each item one. What leads from the mean vector of a user's
items to the user's own is, to a good part, linear, and the version's own users show how: a ridge
regression over some thousands of them gives the matrix, and a newcomer goes through it. Of someone
who names one movie little is known, so their mean is drawn towards that of all users.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.reader import Artifacts

Floats = NDArray[np.float32]

SAMPLE = 4000
"""Trained users that the regression learns from, evenly spread over all."""

RIDGE = 1.0
"""Weight of the penalty on the matrix, in rows."""

PRIOR = 2.0
"""Movies' worth of the average user that everyone begins with."""


class _Learnt(NamedTuple):
    centre: NDArray[np.float64]
    """Mean over users of the mean vector of their items, ``(components,)``."""

    matrix: NDArray[np.float64]
    """``(components + 1, components)``; the last row belongs to the constant."""


class FoldIn:
    """Makes vectors like the rows of ``user_embeddings.npy``: [vector, bias, 1].

    Args:
        artifacts: the version whose users and items show the way.
    """

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def from_rows(self, liked: NDArray[np.int64]) -> Floats:
        """A user vector, float32 ``(components + 2,)``, from rows of items; at least one."""
        return self._mapped(self._artifacts.item_embeddings[liked, :-2].mean(axis=0), len(liked))

    def from_genres(self, genres: Iterable[str]) -> Floats | None:
        """A user vector from genres, or nothing when the version has no movie of any of them.

        It is that of someone who likes the movies of these genres as much as all users do.
        """
        wanted = set(genres)
        movies = self._artifacts.movies
        rows = np.array([i for i, movie in enumerate(movies) if wanted & set(movie.genres)], int)
        if not len(rows):
            return None
        weights = np.array([movies[row].positives for row in rows], float) + 1e-3
        vectors = self._artifacts.item_embeddings[rows, :-2]
        return self._mapped(np.average(vectors, axis=0, weights=weights), len(rows))

    def _mapped(self, mean: NDArray[np.floating], n_items: int) -> Floats:
        centre, matrix = self._learnt
        drawn = centre + (mean - centre) * (n_items / (n_items + PRIOR))
        return np.concatenate([np.append(drawn, 1.0) @ matrix, [0.0, 1.0]]).astype(np.float32)

    @cached_property
    def _learnt(self) -> _Learnt:
        artifacts = self._artifacts
        lengths = np.diff(artifacts.seen_indptr)
        known = np.flatnonzero((artifacts.user_counts > 0) & (lengths > 0))
        components = artifacts.item_embeddings.shape[1] - 2
        if not len(known):
            return _Learnt(np.zeros(components), np.zeros((components + 1, components)))
        users = known[np.linspace(0, len(known) - 1, min(SAMPLE, len(known))).astype(int)]
        means = np.stack([self._mean_of(user) for user in users]).astype(np.float64)
        x = np.column_stack([means, np.ones(len(means))])
        gram = x.T @ x + RIDGE * np.eye(components + 1)
        matrix = np.linalg.solve(gram, x.T @ artifacts.user_embeddings[users, :-2])
        return _Learnt(means.mean(axis=0), np.asarray(matrix, np.float64))

    def _mean_of(self, user: int) -> Floats:
        start, stop = self._artifacts.seen_indptr[user : user + 2]
        rows = self._artifacts.seen_indices[start:stop]
        mean: Floats = self._artifacts.item_embeddings[rows, :-2].mean(axis=0)
        return mean
