"""Collects rejected rows in a temporary file while the accepted rows are copied to Postgres."""

from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Self

from recsys_tasks.data.tables import Rejection

SHOWN = 1000
"""Rejected rows that an account lists; the table holds all of them."""

RAW_CHARACTERS = 2000
"""Of a row's own text so much is kept."""


@dataclass(frozen=True)
class RejectedRow:
    """One rejected row."""

    line: int
    reason: str
    raw: str


class RejectedRows:
    """The rejected rows of one file, spooled to disk in COPY's text format once they are many.

    Args:
        name: the file's name, for the account.
        sha256: the file's hash, for the table.
    """

    def __init__(self, name: str, sha256: str) -> None:
        self._name, self._sha256 = name, sha256
        self._spool: IO[bytes] = SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 - closed by __exit__
        self.count = 0
        self.first: list[Rejection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._spool.close()

    def add(self, rejected: RejectedRow) -> None:
        """Takes one row."""
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(Rejection(self._name, rejected.line, rejected.reason))
        raw = rejected.raw.replace("\0", "\\0")[:RAW_CHARACTERS]
        fields = (self._sha256, str(rejected.line), rejected.reason.replace("\0", "\\0"), raw)
        self._spool.write(("\t".join(map(copy_text, fields)) + "\n").encode())

    def clear(self) -> None:
        """Forgets all rows: the file is read once more."""
        self._spool.seek(0)
        self._spool.truncate()
        self.count, self.first = 0, []

    def copy_lines(self) -> IO[bytes]:
        """All rows as COPY text of ``rejected_rows``, from the start."""
        self._spool.seek(0)
        return self._spool


def copy_text(field: str) -> str:
    """A field in COPY's text format: nothing in it can end a field, a row or the data."""
    return (
        field.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    )
