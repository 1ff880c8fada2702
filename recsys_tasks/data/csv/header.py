"""Reads a CSV file's header: the place of each column, or an error that says what is wrong."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass

from recsys_tasks.config.settings import Columns, SourceSettings
from recsys_tasks.data.csv.blocks import Block, fields_of
from recsys_tasks.errors import InputRejected

SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}

OTHER_KINDS = {
    ("<!doctype", "<html", "<head", "<?xml", "<error"): "a web page: download the file again",
    ("version https://git-lfs",): "a Git LFS pointer: fetch what it points to",
    ("{", "[{"): "JSON: export it as CSV",
}
"""How other text begins, in lower case, and what it is."""

OTHER = {
    "movies": "ratings",
    "ratings": "movies",
    "items": "events",
    "events": "items",
    "users": "items",
}
"""The file that each role is most likely taken for."""

SECTIONS = {
    "movies": "movie_columns",
    "ratings": "rating_columns",
    "items": "item_columns",
    "events": "event_columns",
    "users": "event_columns",
}


@dataclass(frozen=True)
class Header:
    """Where each column that the product needs stands, and how many a record has."""

    file: str
    """The file's name, for a refusal."""

    positions: Mapping[str, int]
    """0-based position of each column that the file has, by its part: user, movie, rating, time, title."""

    width: int
    """Fields of every record."""

    records: int
    """Records of the first block that come before the first row: blank lines and the header."""

    names: tuple[str, ...] = ()
    """All columns of the file, in their order."""


def read_header(block: Block, name: str, role: str, source: SourceSettings) -> Header:
    """The header of a file's first block, found by name and in any order.

    Raises:
        InputRejected: a column is missing or named twice, the file is another one, or no CSV.
    """
    index = next((i for i in range(len(block)) if block.record(i).strip()), None)
    if index is None:
        raise InputRejected(name, "the file is empty", "a header and rows")
    line = int(block.lines[index])
    found = _names(block.record(index), name, line, source)
    wanted = _wanted(role, source)
    problem = _problem(found, wanted, role, source)
    if problem:
        what, advice = problem
        raise InputRejected(name, what, f"the columns {', '.join(wanted.values())}", advice, line)
    parts = wanted | {p: c for p, c in _optional(role, source).items() if c in found}
    positions = {part: found.index(column) for part, column in parts.items()}
    return Header(name, positions, len(found), index + 1, tuple(found))


def _names(record: str, name: str, line: int, source: SourceSettings) -> list[str]:
    try:
        fields = fields_of(record, source.separator, source.quote)
    except csv.Error as error:
        expected, advice = "the names of the columns", _other_kind(record)
        raise InputRejected(
            name, f"the header is no CSV: {error}", expected, advice, line
        ) from None
    return [field.strip() for field in fields]


def columns_of(role: str, source: SourceSettings) -> Columns:
    """The names of a file's columns."""
    columns: dict[str, Columns] = {
        "movies": source.movie_columns,
        "ratings": source.rating_columns,
        "items": source.item_columns,
        "events": source.event_columns,
    }
    return columns[role]


def _wanted(role: str, source: SourceSettings) -> dict[str, str]:
    """Columns that a file of this role must have, by their part."""
    if role == "users":
        return {"user": source.event_columns.user}
    columns = columns_of(role, source)
    return columns.required() | columns.insisted()


def _optional(role: str, source: SourceSettings) -> dict[str, str]:
    """Columns that are read where a file has them, by their part."""
    return {} if role == "users" else columns_of(role, source).optional()


def _problem(
    found: list[str], wanted: dict[str, str], role: str, source: SourceSettings
) -> tuple[str, str] | None:
    """What is wrong with a header and what to do about it."""
    every = wanted | _optional(role, source)
    repeated = [column for column in every.values() if found.count(column) > 1]
    if repeated:
        return f"column {repeated[0]} stands in the header more than once", "Leave one of them"
    missing = {part: column for part, column in wanted.items() if column not in found}
    if not missing:
        return None
    other = OTHER[role]
    telling = _wanted(other, source)
    if other == "items":  # an id alone tells nothing
        telling["title"] = source.item_columns.title
    if all(column in found for column in telling.values()):
        return f"this is the {other} file", f"Give it as --{other}"
    return _describe(found, missing), _advise(found, missing, role, source)


def _describe(found: list[str], missing: dict[str, str]) -> str:
    """In numbers: what stands in a file that is another one may be anything, and is not shown."""
    names = ", ".join(missing.values())
    fields = "one field" if len(found) == 1 else f"{len(found)} fields"
    return f"no column {names} in the first line, which has {fields}"


def _advise(found: list[str], missing: dict[str, str], role: str, source: SourceSettings) -> str:
    """The likeliest cause of a missing column."""
    kind = _other_kind(found[0])
    if kind:
        return kind
    for separator, words in SEPARATORS.items():
        if separator != source.separator and all(
            c in found[0].split(separator) for c in missing.values()
        ):
            return f"The fields seem to be separated by {words}: set source.separator"
    if all(column in found[0].split("::") for column in missing.values()):
        return "A separator is one character: write a comma in place of ::"
    if any(_is_number(re.split(r"[,;\t|: ]", field)[0]) for field in found):
        return "The first line seems to be a row: put a header above it"
    return _advise_name(found, missing, role)


def _advise_name(found: list[str], missing: dict[str, str], role: str) -> str:
    """What to do about a column that may have another name."""
    section = SECTIONS[role]
    part, column = next(iter(missing.items()))
    alike = next((field for field in found if _plain(field) == _plain(column)), None)
    if alike and not alike.isprintable():
        return f"Remove what is invisible from the column's name {alike!r}"
    return f"Rename the column, or set source.{section}.{part}={alike or 'NAME'}"


def _other_kind(text: str) -> str:
    """What a file is that begins like this, and what to do; empty for one that may be CSV."""
    start = text.lstrip().lower()
    kind = next((kind for starts, kind in OTHER_KINDS.items() if start.startswith(starts)), "")
    return f"This is {kind}" if kind else ""


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
