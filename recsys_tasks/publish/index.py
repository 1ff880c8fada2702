"""Builds the annoy index over a version's items, measures how much of a search it takes to find the
best, and decides whether exact search serves instead.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

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

log = logging.getLogger(__name__)

K = 10
"""Length of the list whose recall is measured."""

TREES = (10, 25, 50, 100)
"""Numbers of trees that are tried when the number is left to the build."""

BEYOND = (2, 4)
"""Times the chosen search_k: measured too, so that the curve shows what more time would find."""

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
    metric: Metric = "angular",
    trees: int = 50,
    search_k: int = 0,
    min_recall: float = 0.98,
    seed: int = 42,
    sample: int = 500,
    large: int = 20_000,
) -> BuiltIndex:
    """Builds the index with one thread, so that the same input gives the same bytes, and chooses what serves.

    annoy serves where it reaches ``min_recall`` by inspecting at most a tenth of a large catalogue;
    exact search serves where it does not. Both are counts, so that no clock decides.

    Args:
        path: where ``items.ann`` is written.
        items: float32 ``(n_items, components + 2)``, rows [vector, 1, bias].
        users: float32 ``(n_users, components + 2)``, rows [vector, bias, 1]: those to measure with.
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
    asked = evenly_spaced(users, sample)
    queries, best = index_queries(asked, metric), _scanned(asked, items)
    most = int(MOST_NODES * len(items)) if len(items) >= large else max(5 * len(items), 500)

    def attempt(trees: int) -> _Attempt:
        index = _build(path.with_name(f".{path.name}.{trees}"), rows, metric, trees, seed)
        ladder = (search_k,) if search_k else _ladder(most, trees)
        points, seconds = _measure(index, queries, best, ladder, min_recall)
        return _Attempt(trees, index, points, seconds, _choose(points, min_recall), min_recall)

    made = _least(map(attempt, (trees,) if trees else TREES))
    chosen = made.chosen
    beyond = tuple(times * chosen.search_k for times in BEYOND) if made.reached else ()
    points, seconds = _measure(made.index, queries, best, beyond, np.inf)
    path.with_name(f".{path.name}.{made.trees}").replace(path)
    for other in path.parent.glob(f".{path.name}.*"):
        other.unlink()
    exact = ExactSearch(index_rows(items, "dot"), None, index_queries(asked, "dot"))
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
        exact=_measure_exact(exact, items, asked, best),
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


def _ladder(most: int, trees: int) -> tuple[int, ...]:
    """Values of search_k from one node a tree up to the most, a quarter more each time."""
    steps = [max(trees, 100)]
    while steps[-1] * 5 // 4 <= most:
        steps.append(steps[-1] * 5 // 4)
    return tuple(steps)


def _measure(
    index: AnnoyIndex,
    queries: Floats,
    best: NDArray[np.intp],
    ladder: tuple[int, ...],
    enough: float,
) -> tuple[list[SearchPoint], tuple[float, ...]]:
    """Recall and seconds a query along the ladder, up to the first point that is good enough."""
    k = best.shape[1]
    points: list[SearchPoint] = []
    seconds: list[float] = []
    for search_k in ladder:
        times, found = np.empty(len(queries)), []
        for row, query in enumerate(queries):
            began = time.perf_counter()
            found.append(index.get_nns_by_vector(query, k, search_k))
            times[row] = time.perf_counter() - began
        seconds.append(float(np.median(times)))
        hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, best, strict=True))
        points.append(SearchPoint(search_k=search_k, recall_at_10=hits / best.size))
        if points[-1].recall_at_10 >= enough:
            break
    return points, tuple(seconds)


def _scanned(users: Floats, items: Floats) -> NDArray[np.intp]:
    """The best items of each user by a scan of all, in no order; a few users' scores at a time."""
    k = min(K, len(items))
    return np.concatenate(
        [
            np.argpartition(-(users[start : start + BLOCK] @ items.T), k - 1, axis=1)[:, :k].copy()
            for start in range(0, len(users), BLOCK)
        ]
    )


def _choose(points: list[SearchPoint], min_recall: float) -> SearchPoint:
    good = [point for point in points if point.recall_at_10 >= min_recall]
    return good[0] if good else max(points, key=lambda point: point.recall_at_10)


def _measure_exact(
    search: ExactSearch, items: Floats, users: Floats, best: NDArray[np.intp]
) -> ExactFacts:
    """What exact search finds of a scan's best, and how many items it scores; equals count as found."""
    rows, good, looked_at = index_rows(items, "dot"), 0, []
    for query, scanned in zip(index_queries(users, "dot"), best, strict=True):
        found = search.best(query, len(scanned))
        good += int((found.scores >= -np.sort(-exact_scores(rows[scanned], query))).sum())
        looked_at.append(found.looked_at / len(items))
    return ExactFacts(recall_at_10=good / best.size, looked_at=float(f"{np.median(looked_at):.2g}"))


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
