"""A user vector for someone whom the model has not met, from the movies or genres that they like."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.reader import Artifacts
from recsys_tasks.recommend.fold_in_map import FoldInMap, mean_of

Floats = NDArray[np.float32]


class FoldIn:
    """Makes vectors like the rows of ``user_embeddings.npy``: [vector, bias, 1].

    Args:
        artifacts: the version whose users and items show the way.
    """

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def from_rows(self, liked: NDArray[np.integer]) -> Floats:
        """A user vector, float32 ``(components + 2,)``, from rows of items; at least one."""
        mean = mean_of(self._artifacts.item_embeddings, liked)
        return self._map.vector(mean, len(liked))

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
        return self._map.vector(np.average(vectors, axis=0, weights=weights), len(rows))

    @cached_property
    def _map(self) -> FoldInMap:
        artifacts = self._artifacts
        trained = artifacts.user_counts > 0
        users, items = artifacts.user_embeddings, artifacts.item_embeddings
        return FoldInMap.learn(users, items, trained, artifacts.liked)
