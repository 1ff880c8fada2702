"""Rows of events and of items as the readers hand them on, whatever format they came in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.data.load.rejected_rows import RejectedRow

ONE_TYPE = "event"
"""The type of all events of a file without a column of types."""


@dataclass(frozen=True)
class EventRows:
    """Good events of one block, in the file's order."""

    user: Sequence[bytes]
    """External id of each event's user, UTF-8, 1 to 255 bytes."""

    item: Sequence[bytes]
    """External id of each event's item, UTF-8, 1 to 255 bytes."""

    type: Sequence[bytes]
    """Name of each event's type, UTF-8, never empty."""

    value: NDArray[np.float64]
    """shape ``(n,)``; NaN where an event has no value."""

    at: NDArray[np.int64]
    """shape ``(n,)``, microseconds since 1970-01-01 UTC."""

    line: NDArray[np.int64]
    """shape ``(n,)``, 1-based line of a CSV file, or row of a Parquet file."""

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class NamedRow:
    """One row of an items or a users file."""

    id: bytes
    line: int
    title: str = ""
    categories: tuple[str, ...] = ()
    available_from: int | None = None
    """Microseconds since 1970-01-01 UTC; None: always."""

    available_until: int | None = None
    """Microseconds since 1970-01-01 UTC; None: for ever."""

    properties: tuple[tuple[str, Any], ...] = ()
    """The file's further columns, those that hold something."""


@dataclass(frozen=True)
class Taken:
    """One block of a file, every row of it good or rejected."""

    good: EventRows | tuple[NamedRow, ...]
    rejected: Sequence[RejectedRow]

    @property
    def read(self) -> int:
        """Rows of the block, blank lines left out."""
        return len(self.good) + len(self.rejected)
