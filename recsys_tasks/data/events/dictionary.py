"""The dictionary of a dataset: a dense row for each external id, given once and for ever."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray


class Dictionary:
    """Rows by id. A new id gets the next row, in the order in which ids first appear.

    It takes about 200 bytes of memory an id.

    Args:
        known: the ids that have a row already, in the order of rows.
    """

    def __init__(self, known: Iterable[bytes] = ()) -> None:
        self._rows: defaultdict[bytes, int] = defaultdict()
        self._rows.default_factory = self._rows.__len__
        for identity in known:
            self._rows[identity]
        self._stored = len(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def rows_of(self, ids: Sequence[bytes]) -> NDArray[np.int32]:
        """The row of each id, shape ``(len(ids),)``; those without one get one."""
        return np.fromiter(map(self._rows.__getitem__, ids), np.int32, len(ids))

    def added(self) -> Iterator[tuple[int, bytes]]:
        """Row and id of those that are not stored yet, in the order of rows."""
        return enumerate(islice(self._rows, self._stored, None), self._stored)

    def store(self) -> None:
        """Notes that all rows are stored."""
        self._stored = len(self._rows)
