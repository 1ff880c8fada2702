"""Compares a finalised model with the judged one that it continues: nobody has measured the finalised one.

The finalised model is fitted on the test part too, so that no metric of it says anything. What can be said:
its vectors are finite, have about as many effective dimensions, and list about the same items.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.matrices.interactions import Csr
from recsys_tasks.model.representations import Embeddings, embedding_facts

LENGTH = 10
"""Items of the lists that are compared."""

ASKED = 1000
"""Users whose lists are compared, at most; evenly spaced."""

NOBODY = -1
"""Place of a list that no item has."""


@dataclass(frozen=True)
class FinalisedFound:
    """How a finalised model compares with the judged one.

    Args:
        finite: 1 if all its vectors are finite, else 0.
        rank_ratio: its item vectors' effective rank over the judged model's; None: not measured.
        overlap: mean share of a user's judged top ten that is in the finalised one; None: not measured.
        users: users whose lists were compared.
    """

    finite: float
    rank_ratio: float | None
    overlap: float | None
    users: int


def compare_finalised(
    judged: Embeddings, finalised: Embeddings, users: NDArray[np.intp], seen: Csr, block: int = 128
) -> FinalisedFound:
    """What the guard rules are held against.

    Args:
        judged, finalised: in the same rows.
        users: rows of those with a trained vector in both; ``ASKED`` of them are compared.
        seen: CSR ``(n_users, n_items)``; left out of both lists.
        block: users scored at a time.
    """
    ours, theirs = embedding_facts(finalised), embedding_facts(judged)
    if not ours["finite"]:
        return FinalisedFound(0.0, None, None, 0)
    ratio = ours["effective_rank"] / max(theirs["effective_rank"], 1e-9)
    if not len(users):
        return FinalisedFound(1.0, ratio, None, 0)
    places = np.linspace(0, len(users) - 1, min(ASKED, len(users))).astype(int)
    asked = users[places].astype(np.int32)
    before, after = (top_lists(of, asked, seen, block) for of in (judged, finalised))
    shares = [overlap(*lists) for lists in zip(before, after, strict=True)]
    return FinalisedFound(1.0, ratio, float(np.mean(shares)), len(asked))


def top_lists(
    embeddings: Embeddings, users: NDArray[np.int32], seen: Csr, block: int = 128
) -> NDArray[np.int64]:
    """The best unseen items of each user, in no order: int64 ``(len(users), LENGTH)``, ``NOBODY`` where none is left."""
    lists = [
        _best(embeddings.scores(users[start : start + block]), seen[users[start : start + block]])
        for start in range(0, len(users), block)
    ]
    return np.concatenate(lists)


def overlap(before: NDArray[np.int64], after: NDArray[np.int64]) -> float:
    """Share of a list's items that the other one has; 1 of an empty list."""
    items = before[before != NOBODY]
    return float(np.isin(items, after).mean()) if len(items) else 1.0


def _best(scores: NDArray[np.float32], seen: Csr) -> NDArray[np.int64]:
    rows = np.repeat(np.arange(len(scores)), np.diff(seen.indptr))
    scores[rows, seen.indices] = -np.inf
    length = min(LENGTH, scores.shape[1])
    best = np.argpartition(-scores, length - 1, axis=1)[:, :length].astype(np.int64)
    best[np.take_along_axis(scores, best, axis=1) == -np.inf] = NOBODY
    return best
