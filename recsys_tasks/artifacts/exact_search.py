"""Exact search for the highest scores that looks at few items where their lengths differ much.

A score is the dot product of a user's [vector, 1] and an item's [vector, bias], at most the product
of their lengths (Cauchy-Schwarz). Items are looked at from the longest on, and not further than one
can still be as good as the worst of the best found. What is left out cannot be in the answer.

Scores are first taken in float32, a block of items at a time, each with a bound of its error. Who
might be among the best is scored again in float64, product by product in the order of the columns'
pairwise sum, which does not depend on which other items are looked at: the answer is the same, to
the last bit, as that of scoring every item in this way.

Source:
    Teflioudi, Gemulla, Mykytiuk, LEMP: Fast Retrieval of Large Entries in a Matrix Product,
    SIGMOD 2015 (the order by length); Higham, Accuracy and Stability of Numerical Algorithms,
    section 3.1 (the error of a dot product in any order of adding).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Allowed = Callable[[Rows], NDArray[np.bool_]]
"""Whether each of some rows may be in the answer; ``mask.__getitem__`` for a mask over all rows."""

FIRST, LARGEST = 512, 8192
"""Items of the first block, and of the largest; each is twice the one before."""

ROUNDED_UP = 1 + 1e-9
"""Makes up for the rounding of a length in float64."""

SELDOM = 1e-24
"""A column that users use less than this, beside their most used one, counts as used this much."""

TINY = 2.0**-110
"""More than all that underflow in float32 can take from a dot product of vectors no longer than 1."""


class Best(NamedTuple):
    """The best rows, best first and among equals by row number, with their scores."""

    rows: Rows
    scores: NDArray[np.float64]
    looked_at: int
    """Items that were scored."""


def exact_scores(items: NDArray[np.floating], query: NDArray[np.floating]) -> NDArray[np.float64]:
    """The score of each item, in float64; of one item the same whatever other items are asked for.

    Args:
        items: ``(n, components + 1)``, rows [vector, bias].
        query: ``(components + 1,)``: [vector, 1].
    """
    products = np.ascontiguousarray(items, np.float64) * np.asarray(query, np.float64)
    scores: NDArray[np.float64] = products.sum(axis=1)
    return scores


class ExactSearch:
    """Items in falling order of length.

    What a column of the items is divided by and the queries' is multiplied by changes no score, but
    the lengths: powers of two, which round nothing, let both sides weigh alike in every column.

    Args:
        items: float32 ``(n_items, components + 1)``, rows [vector, bias], finite.
        rows: which of them may be found at all; by default all.
        users: float32 ``(n_users, components + 1)``, queries like those to come. The answers do not
            depend on them, only how many items are looked at.

    Raises:
        ValueError: NaN or infinity among items or users.
    """

    def __init__(
        self, items: Floats, rows: Rows | None = None, users: Floats | None = None
    ) -> None:
        if not np.isfinite(items).all() or not (users is None or np.isfinite(users).all()):
            raise ValueError("items or users hold NaN or infinity")
        self._items = items
        found = np.arange(len(items)) if rows is None else np.sort(rows)
        weights = _even_weights(items, users)
        self._per_column = weights * items.any(axis=0)
        lengths = _by_blocks(items, found, lambda block: _lengths(block / weights))
        self._order: Rows = found[np.argsort(-lengths, kind="stable")]
        scale = _to_at_most_one(lengths.max(initial=0.0))
        self._minus_bounds = np.sort(-lengths) * scale * ROUNDED_UP
        factors = scale / weights
        self._scaled = _by_blocks(items, self._order, lambda x: (x * factors).astype(np.float32))
        self._place = np.full(len(items), len(found))
        self._place[self._order] = np.arange(len(found))
        self._error = (items.shape[1] + 8) * 2.0**-23

    def best(
        self,
        query: Floats,
        k: int,
        excluded: Rows | None = None,
        allowed: Allowed | None = None,
    ) -> Best:
        """The ``k`` items with the highest scores, or all that may be in the answer if they are fewer.

        Args:
            query: float32 ``(components + 1,)``: [vector, 1], finite.
            k: length of the list, >= 1.
            barred: rows that may not be in the answer.
            allowed: asked only about rows that would be among the best.

        Raises:
            ValueError: NaN or infinity in the query.
        """
        if not np.isfinite(query).all():
            raise ValueError("the query holds NaN or infinity")
        out = np.zeros(len(self._order) + 1, np.bool_)
        out[self._place[excluded if excluded is not None else []]] = True
        places, looked_at = self._candidates(query, k, out, allowed)
        rows = self._order[places]
        scores = exact_scores(self._items[rows], query)
        chosen = np.lexsort((rows, -scores))[:k]
        return Best(rows[chosen], scores[chosen], looked_at)

    def _candidates(
        self, query: Floats, k: int, out: NDArray[np.bool_], allowed: Allowed | None
    ) -> tuple[Rows, int]:
        """Places of all that may be among the best ``k``, and how many were looked at."""
        weighed = query.astype(np.float64) * self._per_column
        length = float(_lengths(weighed[None])[0])
        scaled = (weighed * (scale := _to_at_most_one(length))).astype(np.float32)
        length = max(length * scale * ROUNDED_UP, 0.5)
        start, stop, step = 0, len(self._order), FIRST
        floor = -np.inf
        top = np.empty(0)
        places, highest = [np.empty(0, np.int64)], [np.empty(0)]
        while start < stop:
            end = min(start + step, stop)
            error = TINY - self._error * self._minus_bounds[start]
            scores = (self._scaled[start:end] @ scaled).astype(np.float64)
            near = np.flatnonzero(scores >= floor - error)
            near = near[~out[start + near]]
            if allowed is not None:
                near = near[allowed(self._order[start + near])]
            places.append(start + near)
            highest.append(scores[near] + error)
            top = _largest(np.concatenate([top, scores[near] - error]), k)
            start, step = end, min(2 * step, LARGEST)
            if len(top) == k:
                floor = top.min()
                stop = int(np.searchsorted(self._minus_bounds, -floor / length, side="right"))
        found: Rows = np.concatenate(places)[np.concatenate(highest) >= floor]
        return found, start


def _even_weights(items: Floats, users: Floats | None) -> NDArray[np.float64]:
    """For each column the power of two nearest to the fourth root of items' mean square over users'."""
    weights = np.ones(items.shape[1])
    if users is None or not users.any() or not items.any():
        return weights
    ours, theirs = _mean_squares(items), _mean_squares(users)
    used = ours > 0
    ratio = ours[used] / np.maximum(theirs[used], SELDOM * theirs.max())
    weights[used] = np.ldexp(1.0, np.rint(np.log2(ratio) / 4).astype(int))
    return weights


def _mean_squares(rows: Floats) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = np.einsum("ij,ij->j", rows, rows, dtype=np.float64)
    return squares / len(rows)


def _by_blocks(
    items: Floats, rows: Rows, make: Callable[[NDArray[np.float64]], NDArray[Any]]
) -> NDArray[Any]:
    """What ``make`` makes of some rows in float64, not of all at once."""
    starts = range(0, max(len(rows), 1), LARGEST)
    blocks = (items[rows[start : start + LARGEST]].astype(np.float64) for start in starts)
    return np.concatenate([make(block) for block in blocks])


def _lengths(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean lengths; squares of float32, whatever their weight, neither overflow nor vanish here."""
    squares: NDArray[np.float64] = np.einsum("ij,ij->i", rows, rows)
    return np.sqrt(squares)


def _to_at_most_one(length: float) -> float:
    """The power of two that brings a length to between a half and 1; 1 for no length."""
    return float(np.ldexp(1.0, -np.frexp(length)[1]))


def _largest(values: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    return values if len(values) <= k else np.partition(values, len(values) - k)[-k:]
