"""Reads items, users and events of a Parquet file, by pyarrow; the extra ``parquet`` brings it."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.header import columns_of
from recsys_tasks.data.csv.rows import Fault
from recsys_tasks.data.events.named import NamedRows
from recsys_tasks.data.events.parquet_events import (
    TEXT_OR_WHOLE,
    ParquetEvents,
    is_text,
    refused_type,
)
from recsys_tasks.data.events.rows import NamedRow, Taken
from recsys_tasks.data.load.rejected_rows import RejectedRow
from recsys_tasks.errors import InputRejected, SettingsError

BATCH_ROWS = 65_536
"""Rows that are in memory at a time."""


class ParquetFile:
    """An open Parquet file of one role.

    Args:
        path: of the local file.
        name: as the user gave it.
        role: ``items``, ``users`` or ``events``.
        source: names of the columns.

    Raises:
        InputRejected: no whole Parquet file, or without a column that it needs.
        SettingsError: pyarrow is not installed.
    """

    def __init__(self, path: Path, name: str, role: str, source: SourceSettings) -> None:
        self._arrow, parquet = _pyarrow()
        self._name, self._role, self._source = name, role, source
        try:
            self._file = parquet.ParquetFile(path)
        except (self._arrow.ArrowException, OSError, ValueError) as error:
            raise self._refused(error) from None
        self._schema = self._file.schema_arrow
        self._columns = self._find_columns()

    def events(self, types: frozenset[str], latest: int) -> Iterator[Taken]:
        """The events, batch by batch.

        Args:
            types: the types of event that have a weight; empty: any.
            latest: microseconds of the load; no event is later.

        Raises:
            InputRejected: a column of another kind, or damaged bytes.
        """
        reader = ParquetEvents(self._name, self._columns, self._source, types, latest)
        first = 1
        for batch in self._batches(list(self._columns.values())):
            yield reader.read(batch, first)
            first += len(batch)

    def named(self) -> Iterator[Taken]:
        """The items or users, batch by batch.

        Raises:
            InputRejected: a nested column, or damaged bytes.
        """
        self._refuse_nested()
        rows, line = NamedRows(self._role, self._source), 0
        for batch in self._batches(None):
            good: list[NamedRow] = []
            rejected: list[RejectedRow] = []
            for row in batch.to_pylist():
                line += 1
                try:
                    good.append(rows.judge({key: _plain(row[key]) for key in row}, line))
                except Fault as fault:
                    rejected.append(RejectedRow(line, str(fault), str(row)))
            yield Taken(tuple(good), rejected)

    def _batches(self, columns: list[str] | None) -> Iterator[Any]:
        try:
            for batch in self._file.iter_batches(BATCH_ROWS, columns=columns):
                batch.validate(full=True)
                yield batch
        except (self._arrow.ArrowException, OSError) as error:
            raise self._refused(error) from None

    def _find_columns(self) -> dict[str, str]:
        """The file's columns that are read, by their part."""
        names = self._schema.names
        if self._role == "users":
            needed, further = {"user": self._source.event_columns.user}, {}
        else:
            columns = columns_of(self._role, self._source)
            needed = columns.required() | columns.insisted()
            further = columns.optional()
        missing = [f"{part}={name}" for part, name in needed.items() if name not in names]
        if missing:
            section = "item_columns" if self._role == "items" else "event_columns"
            part, _, name = missing[0].partition("=")
            raise InputRejected(
                self._name,
                f"no column {name} among {len(names)}: {', '.join(names)[:200]}",
                f"the columns {', '.join(needed.values())}",
                f"Rename the column, or set source.{section}.{part}=NAME",
            )
        return needed | {part: name for part, name in further.items() if name in names}

    def _refuse_nested(self) -> None:
        types = self._arrow.types
        for field in self._schema:
            is_labels = types.is_list(field.type) or types.is_large_list(field.type)
            if field.name == self._source.item_columns.categories and is_labels:
                continue
            if types.is_nested(field.type) or types.is_binary(field.type):
                raise refused_type(self._name, field, "text, numbers or moments")
        own = self._schema.field(self._columns["item" if self._role == "items" else "user"])
        if not (is_text(types, own.type) or types.is_integer(own.type)):
            raise refused_type(self._name, own, TEXT_OR_WHOLE)

    def _refused(self, error: Exception) -> InputRejected:
        said = " ".join(str(error).split())[:200]
        return InputRejected(
            self._name,
            f"no whole Parquet file: {said}",
            "a Parquet file that was written to its end",
            "Write or fetch the file again",
        )


def _plain(value: object) -> object:
    """A cell as JSON takes it: text for moments and decimals, nothing for NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | list):
        return value
    return str(value)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
        import pyarrow.types
    except ImportError:
        raise SettingsError(
            "Parquet files are read by pyarrow, which is not installed: pip install"
            " 'recsys-tasks[parquet]', or export CSV"
        ) from None
    return pyarrow, pyarrow.parquet
