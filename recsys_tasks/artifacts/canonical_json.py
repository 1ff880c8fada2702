"""Canonical JSON: equal content gives equal bytes; ambiguous content is refused on reading."""

import json
from typing import Any

from recsys_tasks.errors import ArtifactRefused

MAX_BYTES = 64 * 2**20
"""No JSON document of a version comes near this; a larger one is refused unread."""

MAX_DEPTH = 64
"""Nesting beyond this is hostile: it serves only to exhaust a parser's stack."""


def to_bytes(value: Any) -> bytes:
    """The canonical form: keys sorted, no spaces, UTF-8, one newline at the end.

    Raises:
        ValueError: NaN or infinity somewhere in the value.
    """
    text = json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    return text.encode() + b"\n"


def from_bytes(document: bytes, name: str, max_bytes: int = MAX_BYTES) -> Any:
    """The value that a document holds.

    Args:
        document: the bytes as they were stored.
        name: what to call the document in a refusal.
        max_bytes: a larger document is refused unread.

    Raises:
        ArtifactRefused: too large or too deep, not UTF-8, not JSON, a key twice in one object, NaN,
            infinity or a number too large to be one.
    """
    if len(document) > max_bytes:
        raise ArtifactRefused(name, f"{len(document)} bytes of JSON, more than {max_bytes}")
    try:
        value = json.loads(
            document.decode("utf-8", errors="strict"),
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise ArtifactRefused(name, f"not acceptable JSON: {error}") from None
    if _depth(value) > MAX_DEPTH:
        raise ArtifactRefused(name, f"nested deeper than {MAX_DEPTH} levels")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} twice")
    return unique


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not abs(number) < float("inf"):
        raise ValueError(f"{text[:20]} is out of range")
    return number


def _depth(value: Any) -> int:
    level, deepest = [value], 0
    while level and deepest <= MAX_DEPTH:
        deepest += 1
        inner = [v for v in level if isinstance(v, dict | list)]
        level = [c for v in inner for c in (v.values() if isinstance(v, dict) else v)]
    return deepest
