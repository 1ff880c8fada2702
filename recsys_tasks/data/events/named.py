"""Judges one row of an items or a users file: its id, title, categories, availability, properties."""

from collections.abc import Mapping
from typing import Any

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.movies import TITLE_CHARACTERS, shows
from recsys_tasks.data.csv.rows import Fault
from recsys_tasks.data.events import fields
from recsys_tasks.data.events.rows import NamedRow

PROPERTY_CHARACTERS = 10_000
CATEGORIES = 1000


class NamedRows:
    """Judges the rows of one file.

    Args:
        role: ``items`` or ``users``.
        source: how fields are written.
    """

    def __init__(self, role: str, source: SourceSettings) -> None:
        items = source.item_columns
        self._is_item, self._source = role == "items", source
        self._id = items.item if self._is_item else source.event_columns.user
        self._parts = {name for _, name in items} if self._is_item else {self._id}
        self._per_second = 1000 if source.time_unit == "ms" else 1

    def judge(self, row: Mapping[str, Any], line: int) -> NamedRow:
        """One row.

        Args:
            row: its fields by column; text, or for categories a list of texts.
            line: where it stands.

        Raises:
            Fault: the row is to be rejected.
        """
        identity = fields.judge_id(_text(row[self._id]), self._id)
        properties = tuple(self._properties(row).items())
        if not self._is_item:
            return NamedRow(identity, line, properties=properties)
        columns = self._source.item_columns
        return NamedRow(
            id=identity,
            line=line,
            title=self._title(_text(row.get(columns.title))) or identity.decode(),
            categories=self._categories(row.get(columns.categories)),
            available_from=self._moment(row, columns.available_from),
            available_until=self._moment(row, columns.available_until),
            properties=properties,
        )

    def _title(self, title: str) -> str:
        """The title; empty where a person would see nothing of it."""
        if len(title) > TITLE_CHARACTERS:
            raise Fault(f"the title has {len(title)} characters, more than {TITLE_CHARACTERS}")
        if "\0" in title:
            raise Fault("the title holds a NUL byte, which a text in Postgres cannot hold")
        return title if shows(title) else ""

    def _categories(self, given: object) -> tuple[str, ...]:
        """Stripped, without empty ones and repeats, in the file's order."""
        if isinstance(given, list | tuple):
            labels = [_text(label) for label in given]
        else:
            labels = _text(given).split(self._source.genre_separator)
        found = tuple(dict.fromkeys(label.strip() for label in labels if shows(label)))
        if len(found) > CATEGORIES:
            raise Fault(f"{len(found)} categories, more than {CATEGORIES}")
        if any("\0" in label for label in found):
            raise Fault("a category holds a NUL byte, which a text in Postgres cannot hold")
        return found

    def _moment(self, row: Mapping[str, Any], column: str) -> int | None:
        text = _text(row.get(column)).strip()
        return fields.read_moment(text, column, self._per_second) if text else None

    def _properties(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Further columns that hold something."""
        found = {name: value for name, value in row.items() if name not in self._parts}
        for name, value in found.items():
            if "\0" in _text(value) or len(_text(value)) > PROPERTY_CHARACTERS:
                raise Fault(f"{name} holds a NUL byte, or more than {PROPERTY_CHARACTERS} signs")
        return {name: value for name, value in found.items() if name and value not in ("", None)}


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)
