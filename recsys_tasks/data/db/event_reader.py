"""Reads a dataset of events from Postgres as it is, or as it was known at a moment."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

from recsys_tasks.artifacts.items import ALWAYS, Period
from recsys_tasks.data.db.copy_binary import POSTGRES_EPOCH, Records, copy_blocks
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.tables import EventTable, FileAccount

EVENT_RECORD = np.dtype(
    [
        ("fields", ">i2"),
        ("user_length", ">i4"),
        ("user_row", ">i4"),
        ("item_length", ">i4"),
        ("item_row", ">i4"),
        ("type_length", ">i4"),
        ("type", ">i2"),
        ("value_length", ">i4"),
        ("value", ">f8"),
        ("time_length", ">i4"),
        ("at", ">i8"),
    ]
)
"""A COPY BINARY record of an event; one without a value has NaN."""

MICRO = 1_000_000
HOLD = "LOCK TABLE {schema}.events, {schema}.items, {schema}.items_history IN ACCESS SHARE MODE"

LAST_FILE = """
    SELECT coalesce(max(id) FILTER (WHERE loaded_at <= %(as_of)s), min(id) FILTER
        (WHERE role = 'events'), 0)
    FROM {schema}.ingested_files
"""
"""The last file of a moment; before the first load, the first file of events: see ``Database.reading``."""

VALID_NOW = "ended_by IS NULL"
VALID_THEN = "file_id <= {last} AND (ended_by IS NULL OR ended_by > {last})"

ATTRIBUTES = "title, categories, available_from, available_until, file_id"

ITEMS_NOW = f"SELECT row, id, {ATTRIBUTES} FROM {{schema}}.items"

ITEMS_THEN = f"""
    SELECT i.row, i.id, coalesce(known.title, i.id) AS title,
        coalesce(known.categories, '[]') AS categories, known.available_from,
        known.available_until, coalesce(known.file_id, i.first_file) AS file_id
    FROM {{schema}}.items i LEFT JOIN (
        SELECT row, {ATTRIBUTES} FROM {{schema}}.items WHERE file_id <= {{last}}
        UNION ALL
        SELECT row, {ATTRIBUTES} FROM {{schema}}.items_history
        WHERE file_id <= {{last}} AND ended_by > {{last}}
    ) AS known ON known.row = i.row
    WHERE i.first_file <= {{last}}
"""

READ_ITEMS = """
    SELECT row, id, title, categories, extract(epoch FROM available_from)::bigint,
        extract(epoch FROM available_until)::bigint
    FROM ({items}) AS items ORDER BY row
"""


@dataclass(frozen=True)
class ItemTable:
    """The catalogue of a dataset of events, in the order of the dictionary."""

    row: NDArray[np.int64]
    """shape ``(m,)``, ascending: each item's row in the dictionary."""

    id: tuple[str, ...]
    title: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    available: tuple[Period, ...]
    """From when and until when each may be shown; empty: all of them always."""

    def __len__(self) -> int:
        return len(self.row)


def holds_events(database: Database, dataset: str) -> bool:
    """Whether files of items, users or events were loaded into the dataset."""
    query = sql.SQL(
        "SELECT EXISTS (SELECT FROM {}.ingested_files WHERE role IN ('items', 'users', 'events'))"
    ).format(sql.Identifier(dataset))
    return bool(database.fetch(query)[0][0])


@contextmanager
def reading_events(
    database: Database, dataset: str, as_of: datetime | None, until: datetime | None = None
) -> Iterator["EventReader"]:
    """The tables as they are at one moment.

    Args:
        database: where they are.
        dataset: whose.
        as_of: what happened and was loaded up to this moment; None: whenever loaded.
        until: what happened up to this moment; None: whenever it happened.
    """
    with database.snapshot(dataset, as_of, HOLD) as cursor:
        yield EventReader(cursor, sql.Identifier(dataset), as_of, until)


class EventReader:
    """The tables of one dataset of events for one transaction.

    Args:
        cursor: in a transaction that keeps its snapshot.
        schema: the dataset's, quoted.
        as_of, until: as in ``reading_events``.
    """

    def __init__(
        self,
        cursor: Cursor,
        schema: sql.Identifier,
        as_of: datetime | None,
        until: datetime | None,
    ) -> None:
        self._cursor, self._schema = cursor, schema
        names: dict[str, sql.Composable] = {"schema": schema}
        if as_of is not None:
            query = sql.SQL(LAST_FILE).format(schema=schema)
            names["last"] = sql.Literal(self._select(query, as_of=as_of)[0][0])
        valid = sql.SQL(VALID_NOW if as_of is None else VALID_THEN).format(**names)
        happened_by = min(filter(None, (as_of, until)), default=None)
        if happened_by is not None:
            valid += sql.SQL(" AND at <= {}").format(sql.Literal(happened_by))
        self._events = sql.SQL("{schema}.events WHERE ").format(schema=schema) + valid
        self._items = sql.SQL(ITEMS_NOW if as_of is None else ITEMS_THEN).format(**names)

    def types(self) -> tuple[str, ...]:
        """Names of the types of event by their number, whether they occur or not."""
        return tuple(self._column("SELECT name FROM {schema}.event_types ORDER BY number"))

    def items(self) -> ItemTable:
        """Every item that is known, also those without an event."""
        found = self._select(sql.SQL(READ_ITEMS).format(items=self._items))
        available = tuple((row[4], row[5]) for row in found)
        return ItemTable(
            row=np.array([row[0] for row in found], dtype=np.int64),
            id=tuple(row[1] for row in found),
            title=tuple(row[2] for row in found),
            categories=tuple(tuple(row[3]) for row in found),
            available=available if any(period != ALWAYS for period in available) else (),
        )

    def user_ids(self) -> list[str]:
        """The id of every user of the dictionary, in the order of rows."""
        return self._column("SELECT id FROM {schema}.users ORDER BY row")

    def newest(self) -> int:
        """Microseconds of the newest event; 0 without events."""
        query = sql.SQL("SELECT coalesce(extract(epoch FROM max(at)) * 1000000, 0)::bigint FROM ")
        return int(self._select(query + self._events)[0][0])

    def stream(self, take: Callable[[EventTable], object]) -> None:
        """Hands on all events, block by block, in the order of (user_row, item_row).

        Args:
            take: gets at least one block, perhaps an empty one; what it raises ends the reading.
        """
        query = sql.SQL(
            "COPY (SELECT user_row, item_row, type, coalesce(value, 'NaN'), at FROM {events}"
            " ORDER BY user_row, item_row, type, at) TO STDOUT (FORMAT binary)"
        ).format(events=self._events)

        def hand_on(records: Records) -> None:
            take(
                EventTable(
                    user_row=records["user_row"].astype(np.int32),
                    item_row=records["item_row"].astype(np.int32),
                    type=records["type"].astype(np.int16),
                    value=records["value"].astype(np.float64),
                    at=records["at"].astype(np.int64) + POSTGRES_EPOCH * MICRO,
                )
            )

        copy_blocks(self._cursor, query, EVENT_RECORD, hand_on)

    def files(self) -> tuple[FileAccount, ...]:
        """The files that an event or an item came from, oldest first."""
        query = sql.SQL(
            "SELECT role, name, sha256, rows_read, rows_loaded, rows_rejected, rows_duplicate"
            " FROM {schema}.ingested_files WHERE id IN"
            " (SELECT DISTINCT file_id FROM {events} UNION SELECT file_id FROM ({items}) AS items)"
            " ORDER BY id"
        ).format(schema=self._schema, events=self._events, items=self._items)
        return tuple(FileAccount(*row) for row in self._select(query))

    def _column(self, query: str) -> list[str]:
        return [row[0] for row in self._select(sql.SQL(query).format(schema=self._schema))]

    def _select(self, query: sql.Composable, **values: Any) -> list[tuple[Any, ...]]:
        self._cursor.execute(query, values or None)
        return self._cursor.fetchall()
