"""When users rate: a first evening somewhere between 1995 and 2019, then sittings of many ratings."""

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import published

IntArray = NDArray[np.int64]

_JOINED = ((0.0, 0.0), (0.05, 0.09), (0.2, 0.25), (0.42, 0.50), (0.8, 0.70), (1.0, 0.999))
"""Share of the users that have joined, at shares of the whole span: early waves, a late one."""
_SITTING = 90.0
"""Ratings of one sitting, mean."""
_PAUSE_DAYS = 120.0
"""Days between two sittings of a user, mean."""


def rated_at(activity: IntArray, rng: np.random.Generator) -> NDArray[np.int32]:
    """Epoch second (UTC) of each rating, users one after the other as in ``activity``.

    Returns:
        shape ``(activity.sum(),)``; within a user in random order; the earliest and the latest are
        the published ones exactly.
    """
    span = published.LAST_RATING - published.FIRST_RATING
    joined, time = np.array(_JOINED).T
    starts = published.FIRST_RATING + span * np.interp(rng.random(activity.size), joined, time)
    moments: NDArray[np.int32] = _sit_down(activity, starts, published.LAST_RATING, rng)
    moments[np.argmin(moments)] = published.FIRST_RATING
    moments[np.argmax(moments)] = published.LAST_RATING
    return moments


@numba.njit(cache=True)
def _sit_down(activity, starts, last, rng):  # type: ignore[no-untyped-def]
    """Walks each user through sittings: seconds between ratings, months between sittings."""
    moments = np.empty(activity.sum(), np.int32)
    at = 0
    for user in range(activity.size):
        begin, now = at, starts[user]
        for _ in range(activity[user]):
            leaves = rng.random() < 1 / _SITTING
            now += rng.exponential() * (_PAUSE_DAYS * 86_400 if leaves else 12.0)
            if now >= last:
                now = starts[user] + rng.random() * (last - starts[user])
            moments[at] = np.int32(now)
            at += 1
        for i in range(activity[user] - 1, 0, -1):
            j = np.int64(rng.random() * (i + 1))
            moments[begin + i], moments[begin + j] = moments[begin + j], moments[begin + i]
    return moments
