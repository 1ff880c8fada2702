"""Builds the annoy index over a version's items, measures how much of a search it takes to find the
best, and decides whether exact search serves instead.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray

from recsys_tasks.artifacts.ann_index import (
    Floats,
    Metric,
    annoy_format,
    evenly_spaced,
    index_queries,
    index_rows,
)
from recsys_tasks.artifacts.exact_search import ExactSearch, exact_scores
from recsys_tasks.artifacts.manifest import ExactFacts, IndexFacts, SearchPoint
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.recommend.search import OVERFETCH, nearest_wanted, nodes_for

log = logging.getLogger(__name__)

Rows = NDArray[np.int64]
NOTHING = np.empty(0, dtype=np.int64)

K = 10
"""Length of the list whose recall is measured."""

TREES = (10, 25, 50, 100)
"""Numbers of trees that are tried when the number is left to the build."""

BEYOND = (2, 4)
"""Times the chosen search_k: measured too, so that the curve shows what more time would find."""

ASKED = 500
"""Users that the search is measured with."""

TIMED = 100
"""Queries that are timed against exact search."""

BLOCK = 32
"""Users whose exact scores are in memory at a time."""

MOST_NODES = 1 / 10
"""Share of a large catalogue that annoy may inspect for a query: if it needs more, exact search serves."""


@dataclass(frozen=True)
class BuiltIndex:
    """The manifest's facts, and what was timed: not facts of a version.

    The same version built again must give the same manifest.
    """

    facts: IndexFacts
    seconds_per_query: tuple[float, ...]
    """Median time of a query at each point of the curve."""

    times_scan: float
    """Median time of a query by what serves, over the median of a scan of all: same queries, in turns."""


def build_index(
    path: Path,
    items: Floats,
    users: Floats,
    *,
    seen: Sequence[NDArray[np.integer[Any]]] | None = None,
    metric: Metric = "angular",
    trees: int = 50,
    search_k: int = 0,
    min_recall: float = 0.98,
    seed: int = 42,
    sample: int = ASKED,
    large: int = 20_000,
) -> BuiltIndex:
    """Builds the index with one thread, so that the same input gives the same bytes, and chooses what serves.

    annoy serves where it reaches ``min_recall`` by inspecting at most a tenth of a large catalogue;
    exact search serves where it does not. Both are counts, so that no clock decides.

    Args:
        path: where ``items.ann`` is written.
        items: float32 ``(n_items, components + 2)``, rows [vector, 1, bias].
        users: float32 ``(n_users, components + 2)``, rows [vector, bias, 1]: those to measure with.
        seen: rows of the items that each of these users has rated: left out of what is to be found, and
            asked for on top of it, as the recommender does; None: nobody has rated anything.
        metric: angular with one more dimension, or annoy's dot.
        trees: trees of the index; 0 tries ``TREES`` and takes those that need the least search_k.
        search_k: nodes that a query inspects; 0 takes the least that reaches ``min_recall``.
        min_recall: recall@10 aimed at; when nothing reaches it, annoy's best point is taken.
        seed: of annoy's random splits.
        sample: users to measure with, at even distances in ``users``.
        large: items from which a catalogue is large; in a smaller one no search takes long.

    Raises:
        ArtifactRefused: NaN or infinity, or annoy could not write the file.
    """
    if not (np.isfinite(items).all() and np.isfinite(users).all()):
        raise ArtifactRefused(path.name, "embeddings hold NaN or infinity")
    rows = index_rows(items, metric)
    places = evenly_spaced(np.arange(len(users)), sample)
    asked, queries = users[places], index_queries(users[places], metric)
    out = [np.asarray(seen[place], np.int64) if seen else NOTHING for place in places]
    wanted = _Wanted(index_rows(items, "dot"), index_queries(asked, "dot"), out)
    most = int(MOST_NODES * len(items)) if len(items) >= large else max(5 * len(items), 500)

    def attempt(trees: int) -> _Attempt:
        index = _build(path.with_name(f".{path.name}.{trees}"), rows, metric, trees, seed)
        ladder = (search_k,) if search_k else _ladder(most, trees)
        points, seconds = _measure(index, queries, wanted, ladder, min_recall)
        return _Attempt(trees, index, points, seconds, _choose(points, min_recall), min_recall)

    made = _least(map(attempt, (trees,) if trees else TREES))
    chosen = made.chosen
    beyond = tuple(times * chosen.search_k for times in BEYOND) if made.reached else ()
    points, seconds = _measure(made.index, queries, wanted, beyond, np.inf)
    path.with_name(f".{path.name}.{made.trees}").replace(path)
    for other in path.parent.glob(f".{path.name}.*"):
        other.unlink()
    exact = ExactSearch(wanted.rows, None, wanted.queries)
    facts = IndexFacts(
        metric=metric,
        transform="extra_dimension" if metric == "angular" else "none",
        width=rows.shape[1],
        trees=made.trees,
        search_k=chosen.search_k,
        seed=seed,
        recall_at_10=chosen.recall_at_10,
        format=annoy_format(metric, rows.shape[1]),
        curve=[*made.points, *points],
        search="annoy" if made.reached and chosen.search_k <= most else "exact",
        exact=_measure_exact(exact, wanted),
    )
    times = _times_scan(made.index, exact, queries, asked, items, chosen.search_k)
    for name, ratio in times.items():
        serves = ", and serves" if name == facts.search else ""
        log.info("index: %s takes %.2f times as long as a scan of all%s", name, ratio, serves)
    return BuiltIndex(facts, (*made.seconds, *seconds), times[facts.search])


@dataclass(frozen=True)
class _Attempt:
    """An index of so many trees, and how it did."""

    trees: int
    index: AnnoyIndex
    points: list[SearchPoint]
    seconds: tuple[float, ...]
    chosen: SearchPoint
    min_recall: float

    @property
    def reached(self) -> bool:
        """Whether the chosen point, then the last of ``points``, finds enough."""
        return self.chosen.recall_at_10 >= self.min_recall

    @property
    def cost(self) -> tuple[bool, float]:
        """Less is better: nodes looked at where the recall is reached, the lack of recall where not."""
        found = self.chosen.recall_at_10
        return (False, self.chosen.search_k) if self.reached else (True, -found)


def _least(attempts: Iterable[_Attempt]) -> _Attempt:
    """The attempt of the least cost among growing numbers of trees, up to the first that gains nothing."""
    best: _Attempt | None = None
    for tried in attempts:
        log.info(
            "index: %d trees, search_k %d, recall@10 %.4f",
            tried.trees,
            tried.chosen.search_k,
            tried.chosen.recall_at_10,
        )
        if best is not None and not tried.cost < best.cost:
            break
        best = tried
    assert best is not None  # there is always a first
    return best


def _build(path: Path, rows: Floats, metric: Metric, trees: int, seed: int) -> AnnoyIndex:
    index = AnnoyIndex(rows.shape[1], metric)
    index.set_seed(seed)
    for item, row in enumerate(rows):
        index.add_item(item, row)
    started = time.perf_counter()
    index.build(trees, n_jobs=1)
    log.info("index: built %d trees in %.1f s", trees, time.perf_counter() - started)
    path.unlink(missing_ok=True)
    if not index.save(str(path)):
        raise ArtifactRefused(path.name, "annoy could not write it")
    return index


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What each user is to be served: the best items that they have not rated.

    Args:
        rows: float32 ``(n_items, components + 1)``, as of the metric dot.
        queries: float32 ``(n_users, components + 1)``.
        out: rows that each user has rated.
    """

    rows: Floats
    queries: Floats
    out: list[Rows]

    @cached_property
    def best(self) -> list[Rows]:
        """By a scan of all, in no order; fewer where too few are left; a few users' scores at a time."""
        return [
            row
            for start in range(0, len(self.queries), BLOCK)
            for row in self._best_of_block(start)
        ]

    def _best_of_block(self, start: int) -> Iterator[Rows]:
        for scores, out in zip(
            self.queries[start : start + BLOCK] @ self.rows.T,
            self.out[start : start + BLOCK],
            strict=True,
        ):
            scores[out] = -np.inf
            k = min(K, int(np.isfinite(scores).sum()))
            yield np.argpartition(-scores, k - 1)[:k] if k else NOTHING

    def hits(self, place: int, found: Rows) -> int:
        """How many of the best are served, of annoy's nearest items: they are scored exactly."""
        near = found[~np.isin(found, self.out[place])][: K + OVERFETCH]
        scores = exact_scores(self.rows[near], self.queries[place])
        return len(np.intersect1d(near[np.argsort(-scores)[:K]], self.best[place]))

    def share(self, hits: int) -> float:
        """Hits as a share of all that is wanted; 1 where nothing is."""
        total = sum(map(len, self.best))
        return hits / total if total else 1.0


def _ladder(most: int, trees: int) -> tuple[int, ...]:
    """Values of search_k from one node a tree up to the most, a quarter more each time."""
    steps = [max(trees, 100)]
    while steps[-1] * 5 // 4 <= most:
        steps.append(steps[-1] * 5 // 4)
    return tuple(steps)


def _measure(
    index: AnnoyIndex,
    queries: Floats,
    wanted: _Wanted,
    ladder: tuple[int, ...],
    enough: float,
) -> tuple[list[SearchPoint], tuple[float, ...]]:
    """Recall and seconds a query along the ladder, up to the first point that is good enough."""
    points: list[SearchPoint] = []
    seconds: list[float] = []
    for search_k in ladder:
        times, hits = np.empty(len(queries)), 0
        for place, query in enumerate(queries):
            n = nearest_wanted(K, len(wanted.out[place]))
            began = time.perf_counter()
            found = index.get_nns_by_vector(query, n, nodes_for(search_k, n))
            times[place] = time.perf_counter() - began
            hits += wanted.hits(place, np.array(found, dtype=np.int64))
        seconds.append(float(np.median(times)))
        points.append(SearchPoint(search_k=search_k, recall_at_10=wanted.share(hits)))
        if points[-1].recall_at_10 >= enough:
            break
    return points, tuple(seconds)


def _choose(points: list[SearchPoint], min_recall: float) -> SearchPoint:
    good = [point for point in points if point.recall_at_10 >= min_recall]
    return good[0] if good else max(points, key=lambda point: point.recall_at_10)


def _measure_exact(search: ExactSearch, wanted: _Wanted) -> ExactFacts:
    """What exact search finds of a scan's best, and how many items it scores; equals count as found."""
    good, looked_at = 0, []
    for query, best, out in zip(wanted.queries, wanted.best, wanted.out, strict=True):
        if not len(best):
            continue
        found = search.best(query, len(best), out)
        good += int((found.scores >= -np.sort(-exact_scores(wanted.rows[best], query))).sum())
        looked_at.append(found.looked_at / len(wanted.rows))
    looked = float(np.median(looked_at)) if looked_at else 0.0
    return ExactFacts(recall_at_10=wanted.share(good), looked_at=float(f"{looked:.2g}"))


def _times_scan(
    index: AnnoyIndex,
    exact: ExactSearch,
    queries: Floats,
    users: Floats,
    items: Floats,
    search_k: int,
) -> dict[str, float]:
    """In turns, so that a busy moment of the machine strikes all; medians, so that few such count."""
    k, dots = min(K, len(items)), index_queries(users, "dot")
    asked = zip(queries[:TIMED].tolist(), dots, users, strict=False)
    times = np.array(
        [
            (
                _seconds(lambda: index.get_nns_by_vector(query, k, search_k)),  # noqa: B023
                _seconds(lambda: exact.best(dot, k)),  # noqa: B023
                _seconds(lambda: np.argpartition(items @ user, -k)[-k:]),  # noqa: B023
            )
            for query, dot, user in asked
        ]
    )
    by_annoy, exactly, scan = np.median(times, axis=0)
    return {"annoy": float(by_annoy / scan), "exact": float(exactly / scan)}


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
