"""Reads a CSV file as blocks of whole records, with the line on which each record begins.

A line ends with LF, CR LF or CR, in any mixture; inside quotes it does not end the record. Blocks
keep the memory flat whatever the file's size.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.errors import InputRejected

BLOCK_BYTES = 1 << 22
"""Bytes read at a time: a hundred thousand ratings, some tens of megabytes as arrays."""

MAX_RECORD_BYTES = 1 << 22
"""No record is longer; a quote that was never closed is found here, not at the end of memory."""

LF, CR = 10, 13
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole records, each with its line end.

    ``starts`` and ``ends`` are byte offsets into ``octets``, shape ``(n,)``: a record's first byte,
    and the one after its last, without the line end. ``lines`` are 1-based physical lines.
    """

    octets: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lines: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def after(self, count: int) -> "Block":
        """The block without its first ``count`` records."""
        return Block(self.octets, self.starts[count:], self.ends[count:], self.lines[count:])

    def record(self, index: int) -> str:
        """One record's text."""
        return self.octets[self.starts[index] : self.ends[index]].tobytes().decode("utf-8")


def read_blocks(
    stream: BinaryIO, name: str, quote: str, size: int = BLOCK_BYTES
) -> Iterator[Block]:
    """Blocks of a stream of UTF-8, a byte order mark at its start left out.

    Raises:
        InputRejected: a quoted field does not end within ``MAX_RECORD_BYTES`` or before the file.
    """
    rest, line = b"", 1
    first = stream.read(size).removeprefix(BOM)
    chunk = first
    while chunk:
        following = stream.read(size)
        octets = rest + chunk
        if not following and not octets.endswith((b"\n", b"\r")):
            octets += b"\n"
        block, used, lines_used = _whole_records(octets, line, ord(quote), last=not following)
        rest = octets[used:]
        if len(rest) > MAX_RECORD_BYTES or (rest and not following):
            raise InputRejected(
                name,
                f"a record that begins here does not end within {len(rest)} bytes",
                "a line end, and each quote closed in its record",
                f"Look for a stray {quote} on this line or just after it",
                line=line + lines_used,
            )
        line += lines_used
        if len(block):
            yield block
        chunk = following


def fields_of(record: str, separator: str, quote: str) -> list[str]:
    """The fields of one record.

    Raises:
        csv.Error: text after a closing quote, or a quote that is not closed.
    """
    reader = csv.reader([record], delimiter=separator, quotechar=quote, strict=True)
    return next(reader, [])


def _whole_records(octets: bytes, line: int, quote: int, last: bool) -> tuple[Block, int, int]:
    """The records that end in ``octets``, the bytes and the physical lines that they take."""
    array = np.frombuffer(octets, np.uint8)
    line_ends = _line_ends(octets, array, last)
    record_ends = line_ends
    if bytes([quote]) in octets:
        quotes = np.flatnonzero(array == quote)
        record_ends = line_ends[np.searchsorted(quotes, line_ends) % 2 == 0]
    used = int(record_ends[-1]) + 1 if len(record_ends) else 0
    starts = np.empty_like(record_ends)
    starts[:1], starts[1:] = 0, record_ends[:-1] + 1
    ends = record_ends
    if b"\r" in octets:
        ends = record_ends - _follows_cr(array, record_ends)
    if record_ends is line_ends:
        lines = np.arange(line, line + len(starts))
    else:
        lines = line + np.searchsorted(line_ends, starts)
    return Block(array, starts, ends, lines), used, int(np.searchsorted(line_ends, used))


def _line_ends(octets: bytes, array: NDArray[np.uint8], last: bool) -> NDArray[np.int64]:
    """Offsets of the bytes that end a line; a CR at the very end waits for its LF unless ``last``."""
    is_end = array == LF
    if octets.count(b"\r") != octets.count(b"\r\n"):
        lone = array == CR
        lone[:-1] &= array[1:] != LF
        lone[-1] &= last
        is_end |= lone
    return np.flatnonzero(is_end)


def _follows_cr(array: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which ends are the LF of a CR LF."""
    return np.asarray((ends > 0) & (array[ends] == LF) & (array[ends - 1] == CR))
