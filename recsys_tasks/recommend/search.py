"""The best items for a user vector: from annoy's candidates or exactly, as the manifest says."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.ann_index import index_query
from recsys_tasks.artifacts.exact_search import exact_scores
from recsys_tasks.artifacts.items import Item
from recsys_tasks.artifacts.reader import Artifacts

Filter = Callable[[Item], bool]
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Ranked = tuple[Rows, NDArray[np.float64]]
"""Rows, best first, and their scores without the user's bias."""

OVERFETCH = 5
"""Candidates beyond ``k`` that are scored exactly: annoy may swap two that are nearly equal."""

MOST_LEFT_OUT = 500
"""Of a user who has seen more, candidates enough are found by asking again."""

MORE_NODES = 3
"""Nodes that annoy inspects on top of search_k for each candidate beyond ten: measured."""


def best_rows(
    artifacts: Artifacts,
    vector: Floats,
    k: int,
    excluded: list[int],
    filter: Filter | None,
    exact: bool,
) -> Ranked:
    """The ``k`` trained items with the highest scores, or all that there are.

    Args:
        artifacts: an open version.
        vector: float32 ``(components + 2,)``: [vector, bias, 1].
        k: length of the list.
        barred: rows that are left out.
        filter: only items for which it is true.
        exact: whatever the manifest says.
    """
    if not exact and artifacts.index_facts.search == "annoy":
        found = _by_annoy(artifacts, vector, k, excluded, filter)
        if found is not None:
            return found
    return _exactly(artifacts, vector, k, excluded, filter)


def take(
    artifacts: Artifacts,
    candidates: Iterable[int],
    most: int,
    excluded: set[int],
    filter: Filter | None,
) -> list[int]:
    """The first ``most`` candidates that are not barred and pass the filter."""
    allowed = (
        row
        for row in candidates
        if row not in excluded and (filter is None or filter(artifacts.items[row]))
    )
    return list(islice(allowed, most))


def _exactly(
    artifacts: Artifacts, vector: Floats, k: int, excluded: list[int], filter: Filter | None
) -> Ranked:
    """What scoring every item gives."""

    def allowed(rows: Rows) -> NDArray[np.bool_]:
        assert filter is not None
        return np.array([filter(artifacts.items[row]) for row in rows.tolist()], np.bool_)

    out = np.array(excluded, np.int64)
    best = artifacts.exact_search.best(np.delete(vector, -2), k, out, allowed if filter else None)
    return best.rows, best.scores


def _by_annoy(
    artifacts: Artifacts, vector: Floats, k: int, excluded: list[int], filter: Filter | None
) -> Ranked | None:
    """The best of ever more of annoy's candidates; nothing where too many would be needed."""
    out = set(excluded)
    for candidates in _widening(artifacts, vector, k, len(excluded)):
        trained = (row for row in candidates if artifacts.is_trained[row])
        near = np.array(take(artifacts, trained, k + OVERFETCH, out, filter), np.int64)
        if len(near) >= k:
            items = np.delete(artifacts.item_embeddings[near], -2, axis=1)
            scores = exact_scores(items, np.delete(vector, -2))
            best = np.lexsort((near, -scores))[:k]
            return near[best], scores[best]
    return None


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
