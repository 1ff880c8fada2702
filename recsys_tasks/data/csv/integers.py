"""Reads plain ASCII numbers out of bytes, a whole column at a time; any other spelling is not read.

Nothing here stops at a bad numeral: each function also says which ones were good.
"""

import numpy as np
from numpy.typing import NDArray

MAX_DIGITS = 18
"""A numeral of so many digits fits in int64; longer ones are left to the slow way."""

EXACT_DIGITS = 15
"""A decimal number of so many digits is one division of two exact floats."""

ZERO = ord("0")


def read_integers(
    octets: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Whole numbers between byte offsets.

    Args:
        octets: uint8, the bytes.
        starts: shape ``(n,)``, offset of each numeral's first byte.
        ends: shape ``(n,)``, offset after its last.

    Returns:
        values and which are good: 1 to 18 digits and nothing else. Values of others mean nothing.
    """
    length = ends - starts
    good = (length >= 1) & (length <= MAX_DIGITS)
    value = np.zeros(len(starts), np.int64)
    longest = int(length[good].max(initial=0))
    scale = 1
    for place in range(longest):
        inside = length > place
        digit = octets[np.where(inside, ends - 1 - place, 0)] - np.uint8(ZERO)
        good &= (digit <= 9) | ~inside
        value += np.where(inside, digit.astype(np.int64) * scale, 0)
        scale *= 10
    return value, good


def read_decimal_tenths(
    octets: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    decimal: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Decimal numbers with at most one decimal place, in tenths.

    Returns:
        values in tenths and which are good: digits, or digits, the decimal sign and one digit.
    """
    has_place = (ends - starts >= 3) & (octets[np.maximum(ends - 2, 0)] == decimal)
    whole, good = read_integers(octets, starts, np.where(has_place, ends - 2, ends))
    tenth = octets[np.maximum(ends - 1, 0)] - np.uint8(ZERO)
    good &= (tenth <= 9) | ~has_place
    return whole * 10 + np.where(has_place, tenth, 0), good & (whole < 1 << 40)


def read_decimals(
    octets: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    decimal: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Decimal numbers of at most 15 digits, rounded as ``float`` does.

    Returns:
        values and which are good: digits, or digits, the decimal sign and digits.
    """
    points = np.append(np.flatnonzero(octets == decimal), len(octets))
    point = np.minimum(points[np.searchsorted(points, starts)], ends)
    whole, good = read_integers(octets, starts, point)
    has_places = point < ends
    places = np.where(has_places, ends - point - 1, 0)
    part, good_part = read_integers(octets, np.where(has_places, point + 1, ends), ends)
    good &= (good_part | ~has_places) & (point - starts + places <= EXACT_DIGITS)
    scale = 10.0 ** np.where(good, places, 0)
    value = (np.where(good, whole, 0) * scale + np.where(good & has_places, part, 0)) / scale
    return value, good
