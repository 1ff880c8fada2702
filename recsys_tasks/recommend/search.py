"""The best items for a user vector: from annoy's candidates or exactly, as the manifest says."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.ann_index import index_query
from recsys_tasks.artifacts.exact_search import exact_scores
from recsys_tasks.artifacts.items import Item
from recsys_tasks.artifacts.reader import Artifacts

Filter = Callable[[Item], bool]
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


class Ranked(NamedTuple):
    """Rows, best first, and their scores without the user's bias."""

    rows: Rows
    scores: NDArray[np.float64]


WIDE = 0.9
"""Share of the items from which on a mask is no reason not to ask annoy."""

FEW = 1 / 32
"""Share of the items below which a scan of exactly those is quicker than any search: measured."""

OVERFETCH = 5
"""Candidates beyond ``k`` that are scored exactly: annoy may swap two that are nearly equal."""

MOST_LEFT_OUT = 500
"""Of a user who has seen more, candidates enough are found by asking again."""

MORE_NODES = 3
"""Nodes that annoy inspects on top of search_k for each candidate beyond ten: measured."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Which items may be in an answer.

    Args:
        mask: bool ``(n_items,)``; None: every one.
        filter: also asked about each item, where it is given.
    """

    mask: NDArray[np.bool_] | None = None
    filter: Filter | None = None

    def __and__(self, mask: NDArray[np.bool_] | None) -> "Choice":
        """The same choice among the items of a mask."""
        if mask is None or self.mask is None:
            return Choice(self.mask if mask is None else mask, self.filter)
        return Choice(self.mask & mask, self.filter)

    def among(self, artifacts: Artifacts, rows: Rows) -> NDArray[np.bool_]:
        """Which of some rows may be in the answer."""
        allowed = np.ones(len(rows), np.bool_) if self.mask is None else self.mask[rows]
        if self.filter is not None:
            for place in np.flatnonzero(allowed):
                allowed[place] = self.filter(artifacts.items[rows[place]])
        return allowed

    @property
    def is_narrow(self) -> bool:
        """Whether annoy, which knows no filter, would look at many candidates in vain."""
        return self.mask is not None and float(self.mask.mean()) < WIDE


EVERYTHING = Choice()


def best_rows(
    artifacts: Artifacts,
    vector: Floats,
    k: int,
    excluded: list[int],
    choice: Choice,
    exact: bool,
) -> Ranked:
    """The ``k`` trained items with the highest scores, or all that there are.

    Where the choice leaves few items, exactly those are scored, whatever the version is searched by.

    Args:
        artifacts: an open version.
        vector: float32 ``(components + 2,)``: [vector, bias, 1].
        k: length of the list.
        excluded: rows that are left out.
        choice: which items may be in the answer.
        exact: whatever the manifest says.
    """
    if choice.mask is not None and choice.mask.sum() <= len(choice.mask) * FEW:
        return _of_few(artifacts, vector, k, excluded, choice)
    if not exact and artifacts.index_facts.search == "annoy" and not choice.is_narrow:
        found = _by_annoy(artifacts, vector, k, excluded, choice)
        if found is not None:
            return found
    return _exactly(artifacts, vector, k, excluded, choice)


def take(
    artifacts: Artifacts,
    candidates: Iterable[int],
    most: int,
    excluded: set[int],
    choice: Choice,
) -> list[int]:
    """The first ``most`` candidates that are not left out and may be in the answer."""
    mask, filter = choice.mask, choice.filter
    allowed = (
        row
        for row in candidates
        if row not in excluded
        and (mask is None or mask[row])
        and (filter is None or filter(artifacts.items[row]))
    )
    return list(islice(allowed, most))


def popular_rows(artifacts: Artifacts, choice: Choice) -> Iterator[int]:
    """The popular list, and behind it, where only some items may be shown, the others by their positives."""
    yield from artifacts.popular.tolist()
    if choice.mask is None:
        return
    left = choice.mask.copy()
    left[artifacts.popular] = False
    others: list[int] = np.flatnonzero(left).tolist()
    yield from sorted(others, key=lambda row: -artifacts.items[row].positives)


def _of_few(
    artifacts: Artifacts, vector: Floats, k: int, excluded: list[int], choice: Choice
) -> Ranked:
    """The best of the few items that the choice leaves."""
    assert choice.mask is not None
    left = choice.mask & artifacts.is_trained
    left[excluded] = False
    rows = np.flatnonzero(left)
    rows = rows[choice.among(artifacts, rows)]
    scores = _scores_of(artifacts, rows, vector)
    best = np.lexsort((rows, -scores))[:k]
    return Ranked(rows[best], scores[best])


def _exactly(
    artifacts: Artifacts, vector: Floats, k: int, excluded: list[int], choice: Choice
) -> Ranked:
    """What scoring every item gives."""

    def allowed(rows: Rows) -> NDArray[np.bool_]:
        return choice.among(artifacts, rows)

    out = np.array(excluded, np.int64)
    everything = choice.mask is None and choice.filter is None
    best = artifacts.exact_search.best(
        np.delete(vector, -2), k, out, None if everything else allowed
    )
    return Ranked(best.rows, best.scores)


def _by_annoy(
    artifacts: Artifacts, vector: Floats, k: int, excluded: list[int], choice: Choice
) -> Ranked | None:
    """The best of ever more of annoy's candidates; nothing where too many would be needed."""
    out = set(excluded)
    for candidates in _widening(artifacts, vector, k, len(excluded)):
        trained = (row for row in candidates if artifacts.is_trained[row])
        near = np.array(take(artifacts, trained, k + OVERFETCH, out, choice), np.int64)
        if len(near) >= k:
            scores = _scores_of(artifacts, near, vector)
            best = np.lexsort((near, -scores))[:k]
            return Ranked(near[best], scores[best])
    return None


def _scores_of(artifacts: Artifacts, rows: Rows, vector: Floats) -> NDArray[np.float64]:
    """The exact score of each row, without the user's bias."""
    return exact_scores(
        np.delete(artifacts.item_embeddings[rows], -2, axis=1), np.delete(vector, -2)
    )


def nearest_wanted(k: int, excluded: int) -> int:
    """Candidates that annoy is asked for first: the list, a few more, and most of what is left out."""
    return k + OVERFETCH + min(excluded, MOST_LEFT_OUT)


def nodes_for(search_k: int, wanted: int) -> int:
    """Nodes that annoy inspects for so many candidates."""
    return search_k + MORE_NODES * (wanted - 10)


def _widening(artifacts: Artifacts, vector: Floats, k: int, excluded: int) -> Iterator[list[int]]:
    """Candidate rows from annoy, best first: four times as many each time, to an eighth of all."""
    facts = artifacts.index_facts
    asked = index_query(vector, facts.metric)
    wanted = nearest_wanted(k, excluded)
    while wanted < len(artifacts.item_ids) // 8:
        yield artifacts.index.get_nns_by_vector(asked, wanted, nodes_for(facts.search_k, wanted))
        wanted *= 4
