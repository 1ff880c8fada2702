"""The annoy index over a version's items, and how much of a search it takes to find the best.

The score of an item for a user is a dot product, which annoy's ``angular`` metric does not order
by. One more dimension mends that: with M the longest [vector, bias], each row becomes
[vector, bias, sqrt(M² - |vector|² - bias²)], all of length M, so that the smallest angle to
[user vector, 1, 0] is the largest score. annoy's own ``dot`` does the same inside but loses recall
in release 1.17.3 (spotify/annoy#619); it stays a choice.

Source:
    Bachrach et al., Speeding Up the Xbox Recommender System Using a Euclidean Transformation for
    Inner-Product Spaces, RecSys 2014.
"""

import hashlib
import logging
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray

from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.publish.manifest import IndexFacts, SearchPoint

log = logging.getLogger(__name__)
Metric = Literal["angular", "dot"]
Floats = NDArray[np.float32]

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


@dataclass(frozen=True)
class BuiltIndex:
    """The manifest's facts, and what was timed: not facts of a version.

    The same version built again must give the same manifest.
    """

    facts: IndexFacts
    seconds_per_query: tuple[float, ...]
    """Median time of a query at each point of the curve."""

    times_exact: float
    """Median time of a query as chosen, over the median of exact search: same queries, in turns."""


def index_rows(items: Floats, metric: Metric) -> Floats:
    """What annoy holds of each item.

    Args:
        items: float32 ``(n_items, components + 2)``, rows [vector, 1, bias].
        metric: the index's metric.

    Returns:
        float32 ``(n_items, components + 2)`` for angular, ``(n_items, components + 1)`` for dot.
    """
    rows = np.delete(items, -2, axis=1)
    if metric == "dot":
        return rows
    squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    rest = np.sqrt(np.maximum(squares.max() - squares, 0.0))
    return np.column_stack([rows, rest]).astype(np.float32)


def index_queries(users: Floats, metric: Metric) -> Floats:
    """What annoy is asked for each user.

    Args:
        users: float32 ``(n_users, components + 2)``, rows [vector, bias, 1].
        metric: the index's metric.

    Returns:
        float32, as wide as ``index_rows``: [vector, 1, 0] for angular, [vector, 1] for dot.
    """
    queries = np.delete(users, -2, axis=1)
    if metric == "dot":
        return queries
    return np.column_stack([queries, np.zeros(len(users), np.float32)]).astype(np.float32)


def index_query(user: Floats, metric: Metric) -> list[float]:
    """As ``index_queries``, for one user and as annoy takes it soonest: a list of floats.

    Args:
        user: float32 ``(components + 2,)``: [vector, bias, 1].
        metric: the index's metric.

    Returns:
        as long as a row of ``index_rows``: [vector, 1, 0] for angular, [vector, 1] for dot.
    """
    vector: list[float] = user[:-2].tolist()
    return [*vector, 1.0] if metric == "dot" else [*vector, 1.0, 0.0]


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
) -> BuiltIndex:
    """Builds the index with one thread, so that the same input gives the same bytes, and measures it.

    Args:
        path: where ``items.ann`` is written.
        items: float32 ``(n_items, components + 2)``, rows [vector, 1, bias].
        users: float32 ``(n_users, components + 2)``, rows [vector, bias, 1]: those to measure with.
        metric: angular with one more dimension, or annoy's dot.
        trees: trees of the index; 0 tries ``TREES`` and takes those that need the least search_k.
        search_k: nodes that a query inspects; 0 takes the least that reaches ``min_recall``.
        min_recall: recall@10 aimed at; when nothing reaches it, the best point is taken.
        seed: of annoy's random splits.
        sample: users to measure with, evenly spread over ``users``.

    Raises:
        ArtifactRefused: NaN or infinity, or annoy could not write the file.
    """
    if not (np.isfinite(items).all() and np.isfinite(users).all()):
        raise ArtifactRefused(path.name, "embeddings hold NaN or infinity")
    rows = index_rows(items, metric)
    asked = users[np.linspace(0, len(users) - 1, min(sample, len(users))).astype(int)]
    queries, best = index_queries(asked, metric), _exact(asked, items)

    def attempt(trees: int) -> _Attempt:
        index = _build(path.with_name(f".{path.name}.{trees}"), rows, metric, trees, seed)
        ladder = (search_k,) if search_k else _ladder(len(rows), trees)
        points, seconds = _measure(index, queries, best, ladder, min_recall)
        return _Attempt(trees, index, points, seconds, _choose(points, min_recall), min_recall)

    made = _least(map(attempt, (trees,) if trees else TREES))
    chosen = made.chosen
    beyond = tuple(times * chosen.search_k for times in BEYOND) if made.reached else ()
    points, seconds = _measure(made.index, queries, best, beyond, np.inf)
    path.with_name(f".{path.name}.{made.trees}").replace(path)
    for other in path.parent.glob(f".{path.name}.*"):
        other.unlink()
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
    )
    ratio = _times_exact(made.index, queries[:TIMED], asked[:TIMED], items, chosen.search_k)
    log.info("index: a query takes %.2f times as long as an exact search", ratio)
    return BuiltIndex(facts, (*made.seconds, *seconds), ratio)


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


def annoy_format(metric: Metric, width: int) -> str:
    """sha256 of a tiny index: equal exactly when two annoy builds lay their nodes out alike.

    Its rows are small whole numbers, and few enough for one leaf, so that no rounding enters.
    """
    index = AnnoyIndex(width, metric)
    for item in range(2):
        index.add_item(item, [float((item + column) % 3) for column in range(width)])
    index.set_seed(1)
    index.build(1, n_jobs=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.ann"
        index.save(str(path))
        return hashlib.sha256(path.read_bytes()).hexdigest()


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


def _ladder(n_items: int, trees: int) -> tuple[int, ...]:
    """Values of search_k from one node a tree up to far more than all items, a quarter more each time."""
    steps = [max(trees, 100)]
    while steps[-1] < 4 * max(n_items, trees):
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


def _exact(users: Floats, items: Floats) -> NDArray[np.intp]:
    """The best items of each user by an exact search, in no order; a few users' scores at a time."""
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


def _times_exact(
    index: AnnoyIndex, queries: Floats, users: Floats, items: Floats, search_k: int
) -> float:
    """In turns, so that a busy moment of the machine strikes both; medians, so that few such count."""
    k, times = min(K, len(items)), np.empty((len(queries), 2))
    for row, (query, user) in enumerate(zip(queries.tolist(), users, strict=True)):
        began = time.perf_counter()
        index.get_nns_by_vector(query, k, search_k)
        between = time.perf_counter()
        np.argpartition(items @ user, -k)[-k:]
        times[row] = between - began, time.perf_counter() - between
    ours, exact = np.median(times, axis=0)
    return float(ours / exact)
