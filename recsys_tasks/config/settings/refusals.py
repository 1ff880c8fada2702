"""What is said of a value or a name that is refused."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` with the known name nearest to this one; empty where none is near."""
    ends = {one: one for one in known}
    for one in list(ends):
        ends.setdefault(one.rpartition(".")[2], one)  # of two with one field's name, the first
    near = get_close_matches(name, ends, n=1, cutoff=0.7)
    near = near or get_close_matches(name.rpartition(".")[2], ends, n=1, cutoff=0.8)
    return f"; did you mean {ends[near[0]]}?" if near else ""


def explain(error: ValidationError, known: tuple[str, ...]) -> str:
    """Pydantic's findings as one sentence a field; ``known``: the dotted names that exist."""
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, finding["loc"])), _fault(finding, known))))
        for finding in error.errors()
    )


def _fault(finding: Mapping[str, Any], known: tuple[str, ...]) -> str:
    if finding["type"] == "extra_forbidden":
        name = ".".join(map(str, finding["loc"]))
        return "no such setting" + did_you_mean(name, known)
    if finding["type"] == "value_error":  # a rule of our own, which says all
        return str(finding["ctx"]["error"])
    return f"{finding['msg']}, not {finding['input']!r}"
