"""The rules for one field of an event or an item: what it must be, and why a row is rejected."""

import math
import re
from datetime import UTC, datetime

from recsys_tasks.data.csv.rows import Fault, shown

MAX_ID_BYTES = 255
MAX_TYPE_BYTES = 100
MICRO = 1_000_000
EARLIEST = 788_918_400 * MICRO
"""1995-01-01 UTC in microseconds: an event before it is taken for a fault."""

NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?", re.ASCII)
WHOLE = re.compile(r"\d{1,19}", re.ASCII)


def judge_id(text: str, column: str) -> bytes:
    """An external id, as it is: case, blanks and every sign belong to it.

    Raises:
        Fault: it is empty or blank, holds a NUL, or has more than 255 bytes in UTF-8.
    """
    if not text.strip():
        raise Fault(f"{column} is empty")
    if "\0" in text:
        raise Fault(f"{column} holds a NUL byte, which a text in Postgres cannot hold")
    encoded = text.encode()
    if len(encoded) > MAX_ID_BYTES:
        raise Fault(f"{column} has {len(encoded)} bytes, more than {MAX_ID_BYTES}")
    return encoded


def judge_type(text: str, column: str, known: frozenset[str]) -> bytes:
    """A type of event.

    Args:
        text: the field; blanks around it are no part of the name.
        column: its name.
        known: the types that have a weight; empty: any type will do.

    Raises:
        Fault: it is empty, too long, or none of the known ones.
    """
    name = text.strip()
    if not name:
        raise Fault(f"{column} is empty")
    if known and name not in known:
        raise Fault(f"{column} is {shown(name)}, which events.weights does not name")
    encoded = name.encode()
    if len(encoded) > MAX_TYPE_BYTES or "\0" in name:
        raise Fault(f"{column} {shown(name)} is no name of at most {MAX_TYPE_BYTES} bytes")
    return encoded


def judge_value(text: str, column: str, decimal: str) -> float:
    """A value; NaN for an empty field: an event without one.

    Raises:
        Fault: no plain finite decimal number.
    """
    text = text.strip()
    if not text:
        return math.nan
    number = text.replace(decimal, ".") if decimal != "." else text
    value = float(number) if NUMBER.fullmatch(number) else math.nan
    if not math.isfinite(value):
        raise Fault(f"{column} is {shown(text)}, not a plain finite number")
    return value


def judge_time(text: str, column: str, per_second: int, latest: int) -> int:
    """A moment of the past in microseconds; one without a time zone is UTC.

    Args:
        text: ISO 8601, or a whole number.
        column: its name.
        per_second: units of a number in a second, 1 or 1000.
        latest: microseconds of the load.

    Raises:
        Fault: no moment, or one in the future or before 1995.
    """
    moment = read_moment(text.strip(), column, per_second)
    if moment > latest:
        raise Fault(f"{column} {text.strip()[:40]} lies in the future{_hint(moment, latest)}")
    if moment < EARLIEST:
        raise Fault(f"{column} {text.strip()[:40]} lies before 1995-01-01")
    return moment


def read_moment(text: str, column: str, per_second: int) -> int:
    """A moment in microseconds, of any time.

    Raises:
        Fault: neither ISO 8601 nor a whole number.
    """
    if WHOLE.fullmatch(text):
        return int(text) * (MICRO // per_second)
    if not text:
        raise Fault(f"{column} is empty")
    try:
        moment = datetime.fromisoformat(text)
        return _micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Fault(f"{column} is {shown(text)}, neither ISO 8601 nor a whole number") from None


def _micros(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * MICRO + since.microseconds


def _hint(moment: int, latest: int) -> str:
    return ": milliseconds? See source.time_unit" if EARLIEST <= moment // 1000 <= latest else ""
