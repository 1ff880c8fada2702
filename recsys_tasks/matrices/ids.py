"""Maps external ids to row numbers and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.ids import IdLookup, Ids, id_at
from recsys_tasks.artifacts.items import Noun
from recsys_tasks.errors import DataCheckFailed, NotFound

TABLE_SPAN = 16
"""A look-up table is used while the largest id is at most this many times the number of ids."""


@dataclass(frozen=True, eq=False)
class IdMap:
    """External ids by row: the place of an id is its row in every matrix.

    Args:
        ids: shape ``(n,)``, without repeats, in any order: int64, all >= 0, or bytes of fixed width
            (UTF-8).
        keys: int64, shape ``(n,)``, ascending, all >= 0: the number that each id has in the
            dataset's dictionary for good. None: ids that are numbers are their own keys.

    Raises:
        DataCheckFailed: an id repeats or is negative, or the keys are not as above.
    """

    ids: Ids
    keys: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if not self._lookup.are_unique:
            raise DataCheckFailed(("ids must be without repeats",))
        if self.ids.dtype.kind != "S" and len(self.ids) and self.ids.min() < 0:
            raise DataCheckFailed(("ids must not be negative",))
        if self.keys is not None and not _are_keys(self.keys, len(self.ids)):
            raise DataCheckFailed(("keys of ids must be ascending and not negative, one an id",))

    def __len__(self) -> int:
        return len(self.ids)

    def range(self, rows: slice) -> "IdMap":
        """The ids of some rows that follow each other."""
        return IdMap(self.ids[rows], None if self.keys is None else self.keys[rows])

    @property
    def split_keys(self) -> NDArray[np.int64]:
        """int64 ``(n,)``: the number of each row that decides a split.

        Raises:
            DataCheckFailed: ids that are text came without keys.
        """
        keys: Any = self.ids if self.keys is None else self.keys
        if keys.dtype.kind == "S":
            raise DataCheckFailed(("ids that are text have no keys to divide them by",))
        return np.asarray(keys, np.int64)

    def known(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of ``ids``, of any shape and order, have a row."""
        return self._find(np.asarray(ids)) >= 0

    def shared_with(self, other: "IdMap") -> Ids:
        """The ids that both have, in the order of this one's rows."""
        return self.ids[other.known(self.ids)]

    def rows_of(self, ids: Ids) -> NDArray[np.int32]:
        """The row of each id, int32, in the shape of ``ids``.

        Raises:
            NotFound: an id has no row; the message gives the first such id.
        """
        ids = np.asarray(ids)
        rows = self._find(ids)
        if len(rows) and rows.min() < 0:
            strange = id_at(ids[rows < 0], 0)
            raise NotFound(f"id {strange} is not among the {len(self)} known ids")
        return rows

    def _find(self, ids: Ids) -> NDArray[np.int32]:
        """Row of each id, -1 where it has none."""
        table = self._table if ids.dtype.kind != "S" else None
        if table is None:
            return self._lookup.rows(ids).astype(np.int32)
        numbers = ids.astype(np.int64, copy=False)
        if len(numbers) and numbers.view(np.uint64).max() < len(table):  # a negative one is huge
            return table.take(numbers, mode="clip")  # nothing to clip, and so nothing to check
        inside = (numbers >= 0) & (numbers < len(table))
        return np.where(inside, table[np.where(inside, numbers, 0)], np.int32(-1))

    @cached_property
    def _lookup(self) -> IdLookup:
        return IdLookup(self.ids)

    @cached_property
    def _table(self) -> NDArray[np.int32] | None:
        """Row by id, -1 in the gaps; None for text, and where ids are too sparse for it to pay."""
        if self.ids.dtype.kind == "S":
            return None
        largest = int(self.ids.max(initial=0))
        if largest > TABLE_SPAN * len(self) + 1024:
            return None
        table = np.full(largest + 1, -1, dtype=np.int32)
        table[self.ids] = np.arange(len(self), dtype=np.int32)
        return table


@dataclass(frozen=True, eq=False)
class IdMaps:
    """The two id maps of a run; both have keys, or neither has."""

    users: IdMap
    items: IdMap

    @property
    def have_keys(self) -> bool:
        """Whether rows stand in a dictionary, as those of events do."""
        return self.users.keys is not None and self.items.keys is not None

    @property
    def noun(self) -> Noun:
        """What the dataset calls its items: those of events have rows in a dictionary."""
        return "item" if self.have_keys else "movie"

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays for an .npz: users, items and, where there are any, user_keys, item_keys."""
        named = {"user_keys": self.users.keys, "item_keys": self.items.keys}
        keys = {name: keys for name, keys in named.items() if keys is not None}
        return {"users": self.users.ids, "items": self.items.ids, **keys}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "IdMaps":
        """The maps that ``to_arrays`` described."""
        users = IdMap(arrays["users"], arrays.get("user_keys"))
        return cls(users, IdMap(arrays["items"], arrays.get("item_keys")))


def _are_keys(keys: NDArray[np.int64], length: int) -> bool:
    ascending = bool((np.diff(keys) > 0).all())
    return keys.shape == (length,) and ascending and bool((keys >= 0).all())
