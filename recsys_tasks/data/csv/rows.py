"""Validates one record of either file: its fields, its ids, and why it is rejected."""

import csv
import re

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.blocks import fields_of
from recsys_tasks.errors import InputRejected

WHOLE = re.compile(r"[0-9]{1,40}")
"""A whole number in plain ASCII digits; what else ``int()`` takes is no number here."""


class Fault(Exception):
    """Why a row is rejected, in words; caught by the file's reader."""


class SwallowedLinesError(Exception):
    """A malformed row that runs over several lines: good rows may be hidden in it."""


def row_fields(record: str, source: SourceSettings, width: int) -> list[str]:
    """The fields of a row.

    Raises:
        Fault: quotes are malformed, a NUL byte, or not ``width`` fields.
        SwallowedLinesError: the same of a row with a line end in quotes: a stray quote is likelier.
    """
    if "\0" in record:
        raise Fault("a NUL byte, which a text in Postgres cannot hold")
    try:
        fields = fields_of(record, source.separator, source.quote)
        problem = f"{len(fields)} fields instead of {width}" if len(fields) != width else ""
    except csv.Error as error:
        problem = f"malformed: {str(error).partition(' - ')[0]}"  # what follows is for programmers
    if problem and ("\n" in record or "\r" in record):
        raise SwallowedLinesError(problem)
    if problem:
        raise Fault(problem)
    return fields


def refuse_swallowed(name: str, line: int, record: str, problem: Exception) -> InputRejected:
    """The refusal of a file with such a row."""
    lines = len(re.findall(r"\r\n|\r|\n", record)) + 1
    return InputRejected(
        name,
        f"a quote that begins here takes in {lines} lines and leaves no good row ({problem})",
        "each quote closed in its field",
        "Look for a stray quote",
        line=line,
    )


def judge_id(text: str, column: str, largest: int) -> int:
    """An external id; blanks around it are no part of it.

    Raises:
        Fault: not a whole number from 1 to ``largest``.
    """
    text = text.strip(" \t")
    if not WHOLE.fullmatch(text):
        raise Fault(f"{column} is {shown(text)}, not a whole number in plain digits")
    if not 1 <= int(text) <= largest:
        raise Fault(f"{column} {text} is not within 1 to {largest}")
    return int(text)


def shown(text: str) -> str:
    """A field as a message shows it."""
    return repr(text[:40]) if text else "empty"
