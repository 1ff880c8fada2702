"""How unevenly users rate and movies are rated, for the report."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.matrices.interactions import Csr

LOWER = (0, 1, 5, 20, 50, 200, 1000)
"""The least number of ratings in each group."""

BLOCK = 1_000_000
"""Ratings that are counted at a time: numpy counts in 8 bytes each."""


def activity_facts(seen: Csr) -> dict[str, Any]:
    """The report's ``activity``.

    Args:
        seen: CSR ``(n_users, n_items)``, everything rated.

    Returns:
        ``users`` and ``items``: how many of them have how many ratings, by group (``5-19``);
        ``top_tenth``: the share of all ratings that the most rated tenth of the items holds.
    """
    of_items = np.zeros(seen.shape[1], np.int64)
    for start in range(0, seen.nnz, BLOCK):
        block = seen.indices[start : start + BLOCK]
        of_items += np.bincount(block, minlength=len(of_items))
    most = np.sort(of_items)[::-1][: -(-len(of_items) // 10)]
    return {
        "users": _groups(np.diff(seen.indptr)),
        "items": _groups(of_items),
        "top_tenth": float(most.sum() / max(seen.nnz, 1)),
    }


def _groups(counts: NDArray[Any]) -> dict[str, int]:
    """How many counts fall into each group, without the empty groups at both ends."""
    sizes = np.histogram(counts, [*LOWER, np.inf])[0]
    filled = np.flatnonzero(sizes)
    if not len(filled):
        return {}
    return {_label(group): int(sizes[group]) for group in range(filled[0], filled[-1] + 1)}


def _label(group: int) -> str:
    low, *following = LOWER[group : group + 2]
    if not following:
        return f"{low}+"
    return str(low) if following[0] == low + 1 else f"{low}-{following[0] - 1}"
