"""What an annoy index holds of each item, what it is asked for each user, and its file's format.

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
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray

Metric = Literal["angular", "dot"]
Floats = NDArray[np.float32]


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


def evenly_spaced(rows: NDArray[Any], most: int) -> NDArray[Any]:
    """At most so many of the rows, at even distances."""
    places = np.linspace(0, max(0, len(rows) - 1), min(most, len(rows))).astype(int)
    chosen: NDArray[Any] = rows[places]
    return chosen


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
