"""Reads a whole column of moments out of bytes: numbers, and ISO 8601 in its plain form."""

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.data.csv.integers import read_integers
from recsys_tasks.data.events.fields import EARLIEST, MICRO

Offsets = NDArray[np.int64]
PARTS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))
"""Where year, month, day, hour, minute and second of ``2026-11-24T03:00:00`` stand."""

SIGNS = ((4, b"-"), (7, b"-"), (10, b"T "), (13, b":"), (16, b":"))
TOP = ((1970, 9999), (1, 12), (1, 31), (0, 23), (0, 59), (0, 59))


def read_moments(
    octets: NDArray[np.uint8], starts: Offsets, ends: Offsets, per_second: int, latest: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Moments between byte offsets.

    Args:
        octets: uint8, the bytes.
        starts, ends: shape ``(n,)``, each field's first byte and the one after its last.
        per_second: units of a number in a second, 1 or 1000.
        latest: microseconds of the load.

    Returns:
        microseconds since 1970, and which are good: plainly written, and of the past. Values of
        others mean nothing; ``fields.judge_time`` says what they are.
    """
    number, good = read_integers(octets, starts, ends)
    factor = MICRO // per_second
    good &= number <= latest // factor
    moments = np.where(good, number, 0) * factor
    long = np.flatnonzero((ends - starts == 19) | (ends - starts == 20))
    if len(long):
        moments[long], good[long] = _read_iso(octets, starts[long], ends[long])
    return moments, good & (moments >= EARLIEST) & (moments <= latest)


def _read_iso(
    octets: NDArray[np.uint8], starts: Offsets, ends: Offsets
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """``YYYY-MM-DDTHH:MM:SS`` or with a blank for the T, with a Z at the end or without."""
    good = (ends - starts == 19) | (octets[ends - 1] == ord("Z"))
    for place, allowed in SIGNS:
        good &= np.isin(octets[starts + place], np.frombuffer(allowed, np.uint8))
    parts = []
    for (first, last), (least, most) in zip(PARTS, TOP, strict=True):
        part, is_number = read_integers(octets, starts + first, starts + last)
        good &= is_number & (part >= least) & (part <= most)
        parts.append(np.where(good, part, least))
    year, month, day, hour, minute, second = parts
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + day - 1
    good &= days.astype("datetime64[D]").astype("datetime64[M]") == months
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    return seconds * MICRO, good
