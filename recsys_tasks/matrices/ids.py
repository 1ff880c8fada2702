"""Maps external ids to row numbers and back."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.errors import DataCheckFailed, NotFound

TABLE_SPAN = 16
"""A look-up table is used while the largest id is at most this many times the number of ids."""


@dataclass(frozen=True, eq=False)
class IdMap:
    """External ids in ascending order; the place of an id is its row in every matrix.

    Args:
        ids: int64, shape ``(n,)``, ascending, without repeats, all >= 0.

    Raises:
        DataCheckFailed: the ids are not ascending, repeat, or are negative.
    """

    ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.ids) and (self.ids[0] < 0 or (np.diff(self.ids) <= 0).any()):
            raise DataCheckFailed(("ids must be ascending, without repeats and not negative",))

    def __len__(self) -> int:
        return len(self.ids)

    def known(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of ``ids``, of any shape and order, have a row."""
        return self._find(np.asarray(ids, dtype=np.int64)) >= 0

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int32]:
        """The row of each id, int32, in the shape of ``ids``.

        Raises:
            NotFound: an id has no row; the message gives the first such id.
        """
        ids = np.asarray(ids, dtype=np.int64)
        rows = self._find(ids)
        if len(rows) and rows.min() < 0:
            raise NotFound(f"id {ids[rows < 0][0]} is not among the {len(self)} known ids")
        return rows

    def _find(self, ids: NDArray[np.int64]) -> NDArray[np.int32]:
        """Row of each id, -1 where it has none."""
        table = self._table
        if table is None:
            rows = np.searchsorted(self.ids, ids)
            rows[rows == len(self)] = 0
            return np.where(self.ids[rows] == ids, rows, -1).astype(np.int32)
        if len(ids) and ids.view(np.uint64).max() < len(table):  # a negative one is huge there
            return table.take(ids, mode="clip")  # nothing to clip, and so nothing to check
        inside = (ids >= 0) & (ids < len(table))
        return np.where(inside, table[np.where(inside, ids, 0)], np.int32(-1))

    @cached_property
    def _table(self) -> NDArray[np.int32] | None:
        """Row by id, -1 in the gaps; None where ids are too sparse for a table to pay."""
        if len(self) and self.ids[-1] > TABLE_SPAN * len(self) + 1024:
            return None
        table = np.full(int(self.ids[-1]) + 1 if len(self) else 1, -1, dtype=np.int32)
        table[self.ids] = np.arange(len(self), dtype=np.int32)
        return table
