"""What each user would be served, as a scorer: by the tier that the recommender would choose.

``model``: users with a training positive, by their own vector. ``fold_in``: the others, where they like
anything that was trained on (weaker positives), by a vector made from that. ``popular``: whoever is left.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.history_map import HistoryMap, SumPart
from recsys_tasks.artifacts.liked import Liked
from recsys_tasks.evaluation.baselines import popular_order
from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.model.representations import Embeddings

BY_MODEL, BY_POPULARITY = -1, -2
"""Rows of ``Served.place`` that are no row of ``Served.folded``."""


@dataclass(frozen=True, eq=False)
class Audience:
    """What decides a user's tier, and the popular list; of one version or one run.

    Args:
        counts: int ``(n_users,)``, training positives.
        liked: what was trained on of each user.
        popular: float32 ``(n_items,)``, scores in the order of the popular list; minus infinity: not in it.
    """

    counts: NDArray[np.int32]
    liked: Liked
    popular: NDArray[np.float32]

    @classmethod
    def of(cls, trained_on: Interactions) -> "Audience":
        """Of a model that was trained on these interactions."""
        return cls(
            training_positives(trained_on),
            liked_of(trained_on),
            in_order(popular_order(trained_on), trained_on.shape[1]),
        )

    def learn(self, embeddings: Embeddings, sums: SumPart | None = None) -> HistoryMap:
        """What makes vectors of histories as these users' vectors are; ``sums`` as of ``HistoryMap.learn``."""
        return HistoryMap.learn(
            embeddings.users, embeddings.items, self.counts > 0, self.liked, sums
        )

    def served(self, embeddings: Embeddings, known: HistoryMap | SumPart | None = None) -> "Served":
        """The scorer that serves these users by these embeddings.

        Args:
            embeddings: the model's.
            known: what makes vectors of histories in this model, or as much of it as is not learnt here.
        """
        folded = np.flatnonzero((self.counts == 0) & (self.liked.lengths > 0))
        place = np.where(self.counts > 0, BY_MODEL, BY_POPULARITY).astype(np.int32)
        place[folded] = np.arange(len(folded))
        vectors = np.zeros((len(folded), embeddings.items.shape[1]), dtype=np.float32)
        if len(folded):
            found = known if isinstance(known, HistoryMap) else self.learn(embeddings, known)
            for row, user in enumerate(folded):
                vectors[row] = found.vector(embeddings.items, *self.liked.of(user))
        return Served(embeddings, place, vectors, self.popular)


@dataclass(frozen=True, eq=False)
class Served:
    """A model's scores, and what users without a trained vector are served in their stead.

    Args:
        embeddings: the model's.
        place: int32 ``(n_users,)``; a row of ``folded``, ``BY_MODEL`` or ``BY_POPULARITY``.
        folded: float32, rows of users who are folded in.
        popular: float32 ``(n_items,)``, as ``Audience.popular``.
    """

    embeddings: Embeddings
    place: NDArray[np.int32]
    folded: NDArray[np.float32]
    popular: NDArray[np.float32]

    @property
    def n_items(self) -> int:
        """Items that are scored."""
        return self.embeddings.n_items

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Every user's scores by the model's own vectors, trained or not; as ``Embeddings.scores``."""
        return self.embeddings.scores(users)

    def serve(self, scores: NDArray[np.float32], users: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Puts what is served into the rows of ``scores`` whose users the model does not serve.

        Args:
            scores: what ``scores`` gave for these users.
            users: rows.

        Returns:
            which rows were exchanged.
        """
        place = self.place[users]
        if (place >= 0).any():
            scores[place >= 0] = self._by_folded.scores(place[place >= 0])
        scores[place == BY_POPULARITY] = self.popular
        return np.asarray(place != BY_MODEL)

    def restricted(self, users: NDArray[np.int32], items: NDArray[np.int32]) -> "Served":
        """The same for some of the users and items, in this order."""
        own = Embeddings(self.embeddings.users[users], self.embeddings.items[items])
        return replace(self, embeddings=own, place=self.place[users], popular=self.popular[items])

    @cached_property
    def _by_folded(self) -> Embeddings:
        return Embeddings(self.folded, self.embeddings.items)


def training_positives(trained_on: Interactions) -> NDArray[np.int32]:
    """Positives of each user that were trained on, without the weaker ones: ``user_counts.npy``."""
    users = trained_on.row[trained_on.is_positive]
    return np.bincount(users, minlength=trained_on.shape[0]).astype(np.int32)


def liked_of(trained_on: Interactions) -> Liked:
    """What each user likes of what was trained on, weaker positives too: ``liked.npz``."""
    matrix = trained_on.weights().tocsr()
    matrix.sort_indices()
    indices = matrix.indices.astype(np.int32, copy=False)
    return Liked(matrix.indptr.astype(np.int64), indices, matrix.data.astype(np.float32))


def in_order(best_first: NDArray[np.integer], n_items: int) -> NDArray[np.float32]:
    """Scores that rank items in this order; minus infinity for those that it lacks."""
    scores = np.full(n_items, -np.inf, dtype=np.float32)
    scores[best_first] = np.arange(len(best_first), 0, -1)
    return scores
