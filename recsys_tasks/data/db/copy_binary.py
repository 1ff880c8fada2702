"""Converts between numpy arrays and Postgres's COPY BINARY.

Source: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from io import BufferedWriter, BytesIO, RawIOBase
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
HEADER_BYTES = len(SIGNATURE) + 8
TRAILER = b"\xff\xff"
HEADER = SIGNATURE + bytes(8)
"""What starts a stream: the signature, no flags, no header extension."""

POSTGRES_EPOCH = 946_684_800
"""2000-01-01 UTC in Unix seconds: Postgres counts microseconds from there."""

ARRAY_HEADER_BYTES = 20
"""What precedes the elements of an array of one dimension."""

BIGINT_ELEMENT = np.dtype([("length", ">i4"), ("value", ">i8")])
"""An element of a bigint array without NULL."""

BLOCK_BYTES = 1 << 22
"""Bytes gathered before they become arrays: large enough for numpy, small in memory."""

Records = NDArray[np.void]
ReadColumn = Callable[[Records], NDArray[Any]]


def copy_arrays(
    cursor: Cursor, query: sql.Composable, record: np.dtype[Any], read: Mapping[str, ReadColumn]
) -> dict[str, NDArray[Any]]:
    """The arrays that a COPY TO sends, whole.

    Args:
        cursor: where the query runs.
        query: COPY (…) TO STDOUT (FORMAT binary).
        record: packed dtype of a record with its field count and lengths.
        read: for each column, the function that makes its array from a block of records.

    Raises:
        ValueError: the stream did not consist of such records.
    """
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in read}

    def keep(records: Records) -> None:
        for name, make in read.items():
            columns[name].append(make(records))

    copy_blocks(cursor, query, record, keep)
    return {name: np.concatenate(columns.pop(name)) for name in read}


def copy_blocks(
    cursor: Cursor, query: sql.Composable, record: np.dtype[Any], take: Callable[[Records], object]
) -> None:
    """Hands on what a COPY TO sends, block by block, and keeps nothing.

    Args:
        cursor, query, record: as in ``copy_arrays``.
        take: gets the records of each block in the stream's order, at least one block, perhaps an
            empty one; they are gone when it returns. What it raises ends the query.

    Raises:
        ValueError: the stream did not consist of such records.
    """
    blocks = RecordBlocks(record, take)
    sink = BufferedWriter(blocks, BLOCK_BYTES)
    cursor.copy_expert(query.as_string(cursor), sink)
    sink.flush()
    blocks.refuse_remains()


def copy_bigint_arrays(
    cursor: Cursor, query: sql.Composable, columns: int
) -> tuple[NDArray[np.int64], ...]:
    """The columns of a COPY TO that sends few rows of whole arrays, each column's arrays joined.

    Args:
        cursor: where the query runs.
        query: COPY (…) TO STDOUT (FORMAT binary) of so many columns ``bigint[]``, none of them NULL.
        columns: how many.
    """
    sink = BytesIO()
    cursor.copy_expert(query.as_string(cursor), sink)
    octets, at = sink.getbuffer(), HEADER_BYTES
    arrays: list[list[NDArray[np.int64]]] = [[np.empty(0, np.int64)] for _ in range(columns)]
    while octets[at : at + 2] != TRAILER:
        at += 2
        for found in arrays:
            begin, end = at + 4, at + 4 + int.from_bytes(octets[at : at + 4], "big")
            elements = np.frombuffer(octets[begin + ARRAY_HEADER_BYTES : end], BIGINT_ELEMENT)
            found.append(elements["value"].astype(np.int64))
            at = end
    return tuple(np.concatenate(found) for found in arrays)


class RecordBlocks(RawIOBase):
    """Takes a COPY TO in blocks; the driver's row by row writes are gathered before it, in C.

    Args:
        record, take: as in ``copy_blocks``.
    """

    def __init__(self, record: np.dtype[Any], take: Callable[[Records], object]) -> None:
        self._record, self._take = record, take
        self._rest = b""
        self._skip = HEADER_BYTES

    def writable(self) -> bool:
        """It is written to and never read from."""
        return True

    def write(self, block: "Buffer", /) -> int:
        """Takes the next bytes of the stream."""
        octets = b"".join((self._rest, block))
        begin, self._skip = min(self._skip, len(octets)), max(0, self._skip - len(octets))
        count = (len(octets) - begin) // self._record.itemsize
        self._rest = octets[begin + count * self._record.itemsize :]
        self._take(np.frombuffer(octets, self._record, count, begin))
        return memoryview(block).nbytes

    def refuse_remains(self) -> None:
        """Passes when the stream has ended where a record ended.

        Raises:
            ValueError: the stream did not consist of such records.
        """
        if self._rest != TRAILER:
            raise ValueError("COPY BINARY did not send records of the expected width")


class ByteSource:
    """Pieces of bytes as a file, the next piece being made while Postgres takes this one.

    Args:
        pieces: made in a thread of their own, one ahead; the with block's end waits for it.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")
        self._maker = ThreadPoolExecutor(1)
        self._next = self._make()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._maker.shutdown()

    @property
    def failure(self) -> BaseException | None:
        """What went wrong in making the pieces; the driver only says that reading failed."""
        return self._next.exception()

    def read(self, size: int = BLOCK_BYTES, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        while not self._piece:
            piece = self._next.result()
            if piece is None:
                return b""
            self._next = self._make()
            self._piece = memoryview(piece)
        taken, self._piece = self._piece[:size], self._piece[size:]
        return bytes(taken)

    def _make(self) -> "Future[bytes | None]":
        return self._maker.submit(next, self._pieces, None)
