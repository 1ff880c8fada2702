"""Counts moments by day while they pass by in blocks."""

import numpy as np
from numpy.typing import NDArray

SECONDS_A_DAY = 86_400
LAST_DAY = 100_000
"""In the year 2243."""


def by_day(seconds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Moments by UTC day since 1970, int64 up to the newest; what lies beyond counts at the ends.

    Args:
        seconds: Unix seconds, in any order.
    """
    counts: NDArray[np.int64] = np.bincount(np.clip(seconds // SECONDS_A_DAY, 0, LAST_DAY))
    return counts


def added(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sums, element by element, in the longer array; the shorter is followed by zeros."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    longer[: len(shorter)] += shorter
    return longer
