"""Vectors of people whom a version has not trained on, and of known users who have liked more since."""

from collections.abc import Iterable
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.history_map import HistoryMap, Weights
from recsys_tasks.artifacts.reader import Artifacts

Floats = NDArray[np.float32]
Rows = NDArray[np.integer]

GENRE_ITEMS = 10.0
"""Items that someone who names genres is taken to have liked."""


class FoldIn:
    """Makes vectors like the rows of ``user_embeddings.npy``: [vector, bias, 1].

    Args:
        artifacts: the version whose users and items show the way.
    """

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    @property
    def tier(self) -> Literal["model", "fold_in"]:
        """``model`` where the vectors are, at least in part, what a training would give."""
        return "model" if len(self._map.sums.base) else "fold_in"

    def from_rows(self, liked: Rows, weights: Weights | None = None) -> Floats:
        """A user vector, float32 ``(components + 2,)``, from rows of liked items, by default of weight 1."""
        counted = np.ones(len(liked), np.float32) if weights is None else weights
        return self._map.vector(self._artifacts.item_embeddings, liked, counted)

    def from_genres(self, genres: Iterable[str]) -> Floats | None:
        """A user vector from genres, or nothing when the version has no item of any of them.

        It is that of someone who likes the items of these genres as much as all users do.
        """
        wanted = set(genres)
        items = self._artifacts.items
        rows = np.array([i for i, item in enumerate(items) if wanted & set(item.categories)], int)
        if not len(rows):
            return None
        weights = np.array([items[row].positives for row in rows], float) + 1e-3
        return self.from_rows(rows, weights * (GENRE_ITEMS / weights.sum()))

    def of_user(self, user: int, since: Rows) -> Floats:
        """The vector of a user without a trained one: from what they like, and have liked since."""
        return self.from_rows(*self._with(user, since))

    def moved(self, user: int, since: Rows) -> Floats:
        """A trained user's vector, and what the items liked since add to a vector from history.

        Args:
            user: row.
            since: rows of items, none of them among what the user is known to like.
        """
        now, then = self.of_user(user, since), self.from_rows(*self._artifacts.liked.of(user))
        return np.asarray(self._artifacts.user_embeddings[user] + (now - then), np.float32)

    def _with(self, user: int, since: Rows) -> tuple[Rows, Floats]:
        liked, weights = self._artifacts.liked.of(user)
        newer = np.ones(len(since), np.float32)
        return np.concatenate((liked, since)), np.concatenate((weights, newer))

    @cached_property
    def _map(self) -> HistoryMap:
        artifacts = self._artifacts
        if artifacts.fold_in is not None:
            return artifacts.fold_in
        trained = artifacts.user_counts > 0
        users, items = artifacts.user_embeddings, artifacts.item_embeddings
        return HistoryMap.learn(users, items, trained, artifacts.liked)
