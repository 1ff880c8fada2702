"""Compares candidate and champion on the same users and items, with what neither was trained on.

Both are asked for the test positives of users and items that both have rows for. Rows that the champion
may have been trained on are left out, of the question and of both lists; so is everything that the
user has rated otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys_tasks.artifacts.ids import Id, Ids, id_list
from recsys_tasks.evaluation import metrics
from recsys_tasks.evaluation.ranking import NOBODY, WHOLE, Counts, Parts, Ranking, Shard, count
from recsys_tasks.evaluation.served import Served
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.model.intervals import Interval, paired
from recsys_tasks.model.representations import Embeddings

LENGTH = 10
"""Items of a list whose change is watched."""

N_MOVERS = 10
"""Users named whose lists changed most."""

CANDIDATE, CHAMPION = "candidate", "champion"
"""What the counts of the two are called."""


@dataclass(frozen=True, eq=False)
class ScoredVersion:
    """A version as what it serves: a scorer, and what its rows stand for."""

    users: IdMap
    items: IdMap
    served: Served

    @property
    def embeddings(self) -> Embeddings:
        """The model's own vectors."""
        return self.served.embeddings

    def scores(self, user: int) -> NDArray[np.float32]:
        """What a user (row) is served: a score for every item, ``(n_items,)``, writable."""
        row = np.array([user], dtype=np.int32)
        scores = self.served.scores(row)
        self.served.serve(scores, row)
        return np.asarray(scores[0])


@dataclass(frozen=True)
class Comparison:
    """What a candidate changes against the champion."""

    precision_at_5: Interval
    """candidate minus champion, as served, over the users asked"""
    churn: float
    """share of the users whose top 10 changed by more than half"""
    movers: tuple[Id, ...]
    """external ids of the users whose top 10 changed most, most changed first"""

    def document(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return {
            "precision_at_5": self.precision_at_5.document(),
            "churn": self.churn,
            "movers": list(self.movers),
        }


@dataclass(frozen=True, eq=False)
class PairedEvaluation:
    """Two versions asked the same, in rows that both know.

    Args:
        users: the external ids of the rows, in the candidate's order.
        candidate, champion: what these users are served of the items that both know.
        parts: what is asked.
    """

    users: Ids
    candidate: Served
    champion: Served
    parts: Parts

    @classmethod
    def of(
        cls,
        candidate: ScoredVersion,
        champion: ScoredVersion,
        test: Interactions,
        seen: Csr,
        champion_trained: Csr,
    ) -> "PairedEvaluation | None":
        """The match of two versions.

        Args:
            candidate, champion: of any number of components each.
            test: the candidate's test part, in its rows.
            seen: CSR, everything rated, in the candidate's rows.
            champion_trained: CSR in the champion's rows; what it may have been trained on.

        Returns:
            None where no test positive is left that both can be asked for.
        """
        users = candidate.users.shared_with(champion.users)
        items = candidate.items.shared_with(champion.items)
        ours, theirs = (
            (version.users.rows_of(users), version.items.rows_of(items))
            for version in (candidate, champion)
        )
        liked = _within(test.positives().csr(), *ours)
        asked = liked - liked.multiply(_within(champion_trained, *theirs))
        asked.eliminate_zeros()
        if not asked.nnz:
            return None
        nothing = sp.csr_matrix(asked.shape)
        seen_not_tested = _within(seen, *ours) - asked
        seen_not_tested.eliminate_zeros()
        return cls(
            users,
            candidate.served.restricted(*ours),
            champion.served.restricted(*theirs),
            Parts(asked, nothing, nothing, seen_not_tested),
        )

    @property
    def n_users(self) -> int:
        """Users who are asked: those with a test positive that is left."""
        return int((np.diff(self.parts.test.indptr) > 0).sum())

    def count(self, block: int = 128, threads: int = 1, shard: Shard = WHOLE) -> dict[str, Counts]:
        """The costly part: both versions' counts for a shard of the users; see ``ranking.count``."""
        return {
            name: count(served, self.parts, LENGTH, block, threads, shard)
            for name, served in ((CANDIDATE, self.candidate), (CHAMPION, self.champion))
        }

    def comparison(self, counted: Mapping[str, Counts], seed: int = 42) -> Comparison:
        """What the counts of all users say; ``seed`` is the bootstrap's."""
        new, old = (counted[name].ranking(self.parts) for name in (CANDIDATE, CHAMPION))
        kept = np.array([_overlap(*lists) for lists in zip(new.lists, old.lists, strict=True)])
        asked_users = self.users[new.views["test_served"].users]
        most_moved = np.argsort(kept, kind="stable")[:N_MOVERS]
        return Comparison(
            paired(_precision(new), _precision(old), seed),
            float((kept < LENGTH / 2).mean()),
            tuple(id_list(asked_users[most_moved[kept[most_moved] < LENGTH / 2]])),
        )


def _within(matrix: Csr, rows: NDArray[np.int32], columns: NDArray[np.int32]) -> Csr:
    """Ones where ``matrix`` has an element, of these rows and columns, indices sorted."""
    chosen = sp.csr_matrix(matrix[rows][:, columns], dtype=np.int8)
    chosen.data[:] = 1
    chosen.sort_indices()
    return chosen


def _precision(ranking: Ranking) -> NDArray[np.float32]:
    return metrics.precision_at_k(ranking.views["test_served"], 5).astype(np.float32)


def _overlap(new: NDArray[np.int32], old: NDArray[np.int32]) -> float:
    """How many of the old list's places the new list keeps; short lists count as ``LENGTH``."""
    before = old[old != NOBODY]
    return LENGTH * float(np.isin(before, new).mean()) if len(before) else float(LENGTH)
