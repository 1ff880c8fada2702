"""External ids of users and items: whole numbers (int64) or text (UTF-8 of fixed width), and their rows."""

from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.int64 | np.bytes_]
"""One external id a row, each once: int64, or bytes of fixed width that hold UTF-8."""

Id: TypeAlias = int | str
"""One external id, as a person and JSON write it."""

LONGEST = 255
"""Bytes of the longest id."""

DIGITS = frozenset("0123456789")


def id_list(ids: Ids) -> list[Id]:
    """The ids as Python's numbers or text, in their order."""
    if ids.dtype.kind == "S":
        return [one.decode() for one in ids.tolist()]
    return list(ids.tolist())


def id_at(ids: Ids, row: int | np.integer) -> Id:
    """The id of one row."""
    found = ids[row]
    return found.decode() if isinstance(found, bytes) else int(found)


def whole_number(text: str) -> int | None:
    """The number of an id that is written as one: digits, no sign, no leading zero, below 2^63."""
    if not text or not DIGITS.issuperset(text) or (text[0] == "0" and text != "0"):
        return None
    number = int(text) if len(text) <= 19 else 2**63
    return number if number < 2**63 else None


def is_text(ids: Ids) -> bool:
    """Whether each id, as bytes, is UTF-8 and not empty."""
    every: list[bytes] = np.asarray(ids, np.bytes_).tolist()
    try:
        b"\0".join(every).decode()
    except UnicodeDecodeError:
        return False
    return all(every)


class IdLookup:
    """Finds the rows of external ids.

    Args:
        ids: one a row, in any order, each once.
    """

    def __init__(self, ids: Ids) -> None:
        self.ids = ids

    @cached_property
    def order(self) -> NDArray[np.intp] | None:
        """The rows in the order of their ids; None: that is the rows' own order."""
        ids: NDArray[Any] = self.ids
        return None if bool((ids[1:] > ids[:-1]).all()) else np.argsort(ids, kind="stable")

    @cached_property
    def are_unique(self) -> bool:
        """Whether no id is there twice."""
        ordered = self.ids if self.order is None else self.ids[self.order]
        return not bool((ordered[1:] == ordered[:-1]).any())

    def rows(self, wanted: Ids) -> NDArray[np.int64]:
        """The row of each wanted id, in the shape of ``wanted``; -1 for one that is not there.

        A number and its digits as text are the same id.
        """
        asked: NDArray[Any] = _like(self.ids, wanted)
        found = np.full(asked.shape, -1, np.int64)
        if not len(self.ids):
            return found
        places = np.minimum(np.searchsorted(self.ids, asked, sorter=self.order), len(self.ids) - 1)
        rows = places if self.order is None else self.order[places]
        same = self.ids[rows] == asked
        found[same] = rows[same]
        return found

    def row(self, wanted: Id) -> int:
        """As ``rows``, for one id."""
        key = self._key(wanted)
        if key is None or not len(self.ids):
            return -1
        place = int(self.ids.searchsorted(key, sorter=self.order))
        if place == len(self.ids):
            return -1
        row = place if self.order is None else int(self.order[place])
        return row if self.ids[row] == key else -1

    def written(self, given: Id) -> Id:
        """An id as these ids are written: a number, or text; digits may stand for a number."""
        if self.ids.dtype.kind == "S":
            return str(given)
        number = whole_number(given) if isinstance(given, str) else given
        return given if number is None else number

    def _key(self, wanted: Id) -> Any:
        """The id as the ids are stored; None: none of them can be it."""
        if self.ids.dtype.kind != "S":
            number = whole_number(wanted) if isinstance(wanted, str) else wanted
            return np.int64(number) if number is not None and abs(number) < 2**63 else None
        text = str(wanted).encode(errors="replace")
        if len(text) > self.ids.dtype.itemsize or text.endswith(b"\0"):
            return None  # a longer one would have the ids copied, and a last NUL does not count
        return np.array(text, self.ids.dtype)[()]


def _like(ids: Ids, wanted: Ids) -> Ids:
    """The wanted ids in the kind of ``ids``; a text that is no number becomes -1."""
    if ids.dtype.kind == wanted.dtype.kind:
        return wanted
    if ids.dtype.kind == "S":
        return wanted.astype(np.bytes_)
    texts: list[bytes] = wanted.ravel().astype(np.bytes_).tolist()
    numbers = [whole_number(one.decode()) for one in texts]
    found = np.array([-1 if one is None else one for one in numbers], np.int64)
    return found.reshape(wanted.shape)
