"""Rows of events as Postgres takes them: COPY BINARY of rows, types and moments; COPY text of the rest."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from recsys_tasks.data.db.copy_binary import HEADER, POSTGRES_EPOCH, TRAILER
from recsys_tasks.data.events.dictionary import Dictionary
from recsys_tasks.data.events.fields import MICRO
from recsys_tasks.data.events.rows import EventRows, NamedRow
from recsys_tasks.data.load.rejected_rows import copy_text

STAGED_EVENT = np.dtype(
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
        ("line_length", ">i4"),
        ("line", ">i8"),
    ]
)
"""A COPY BINARY record of ``staged_events``; an event without a value has NaN."""

NULL = "\\N"


class Rows:
    """The three dictionaries that events are written by.

    Args:
        users, items, types: rows by id.
    """

    def __init__(self, users: Dictionary, items: Dictionary, types: Dictionary) -> None:
        self.users, self.items, self.types = users, items, types

    def records(self, rows: EventRows) -> bytes:
        """Records of ``staged_events``."""
        records = np.empty(len(rows), STAGED_EVENT)
        records["fields"] = 6
        records["user_length"] = records["item_length"] = 4
        records["type_length"] = 2
        records["value_length"] = records["time_length"] = records["line_length"] = 8
        records["user_row"] = self.users.rows_of(rows.user)
        records["item_row"] = self.items.rows_of(rows.item)
        records["type"] = self.types.rows_of(rows.type)
        records["value"], records["line"] = rows.value, rows.line
        records["at"] = rows.at - POSTGRES_EPOCH * MICRO
        return records.tobytes()


def framed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A whole COPY BINARY stream of the records."""
    yield HEADER
    yield from pieces
    yield TRAILER


def line_of(fields: Iterable[object]) -> bytes:
    """A COPY text line; None is NULL."""
    texts = (NULL if field is None else copy_text(str(field)) for field in fields)
    return ("\t".join(texts) + "\n").encode()


def item_line(row: int, item: NamedRow) -> bytes:
    """An item as a COPY text line of ``staged_items``."""
    categories = json.dumps(item.categories, ensure_ascii=False)
    available = map(_moment, (item.available_from, item.available_until))
    return line_of((row, item.title, categories, *available, properties(item)))


def properties(row: NamedRow) -> str:
    """A row's further columns as JSON."""
    return json.dumps(dict(row.properties), ensure_ascii=False)


def _moment(micros: int | None) -> str | None:
    """A moment as Postgres reads it."""
    if micros is None:
        return None
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat()
