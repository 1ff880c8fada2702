"""Filters as data: the same in Python, on the command line and in a batch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.ids import Id
from recsys_tasks.artifacts.reader import Artifacts

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ItemFilter:
    """Which items may be in an answer; every condition that is given must hold.

    Args:
        categories_any: categories of which an item has at least one; empty: no condition.
        categories_none: categories of which an item has none.
        items: ids that may be in the answer, unknown ones are passed over; None: no condition.
    """

    categories_any: tuple[str, ...] = ()
    categories_none: tuple[str, ...] = ()
    items: tuple[Id, ...] | None = None

    def mask(self, artifacts: Artifacts) -> Mask:
        """Which items of a version it lets through, bool ``(n_items,)``."""
        found = ~_of_any(artifacts, self.categories_none)
        if self.categories_any:
            found &= _of_any(artifacts, self.categories_any)
        if self.items is not None:
            found &= items_mask(artifacts, self.items)
        return found


def items_mask(artifacts: Artifacts, ids: tuple[Id, ...] | list[Id]) -> Mask:
    """Which items of a version are among the ids, bool ``(n_items,)``; unknown ids are passed over."""
    mask = np.zeros(len(artifacts.item_ids), np.bool_)
    rows = (artifacts.items_by_id.row(one) for one in ids)
    mask[[row for row in rows if row >= 0]] = True
    return mask


def _of_any(artifacts: Artifacts, categories: tuple[str, ...]) -> Mask:
    mask = np.zeros(len(artifacts.item_ids), np.bool_)
    for category in categories:
        mask[artifacts.rows_by_category.get(category, [])] = True
    return mask
