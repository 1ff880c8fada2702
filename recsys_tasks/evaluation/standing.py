"""Where a model stands against its baselines, in sentences with their numbers."""

from collections.abc import Mapping
from typing import Any

from recsys_tasks.model.intervals import Interval

NAMES = {
    "model": "the model",
    "popular": "the popular list",
    "recent": "the recently popular list",
    "random": "random order",
    "ials": "iALS",
    "ease": "EASE",
}

BY = "ndcg_at_10"
"""The metric, as served, that says which baseline is the best and where the model stands against each."""


FEWEST_USERS = 30
"""Of fewer, an interval says nothing: it has hardly any width, or it is far too narrow."""


def verdict(gap: Mapping[str, float]) -> str:
    """``ahead of``, ``behind`` or ``level with``: what the interval of a difference says.

    ``not compared with`` where it is one of fewer than ``FEWEST_USERS`` users.
    """
    if not gap["users"] >= FEWEST_USERS:
        return "not compared with"
    if gap["low"] > 0:
        return "ahead of"
    return "behind" if gap["high"] < 0 else "level with"


def standing(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """The best baseline, the model's paired interval over it, and one sentence about all of them.

    Args:
        found: ``Evaluation.metrics`` with ``test_served``, ``baselines`` and ``intervals``.

    Returns:
        ``best``, ``metric``, ``model``, ``baseline``, the fields of ``Interval`` and ``sentence``;
        None where no user was measured.
    """
    gaps = {name: of[BY] for name, of in found["intervals"].items() if BY in of}
    if not gaps:
        return None
    theirs = {name: found["baselines"][name]["test_served"][BY] for name in gaps}
    best = max(theirs, key=lambda name: theirs[name])
    facts = {
        "best": best,
        "metric": BY,
        "model": found["test_served"][BY],
        "baseline": theirs[best],
    }
    facts |= Interval(**gaps[best]).document()
    return facts | {"sentence": _sentence(facts, gaps)}


def _sentence(facts: Mapping[str, Any], gaps: Mapping[str, Mapping[str, float]]) -> str:
    others = "; ".join(
        f"{side} {' and '.join(names)}"
        for side in ("ahead of", "level with", "behind", "not compared with")
        if (
            names := [
                NAMES[n] for n, gap in gaps.items() if n != facts["best"] and verdict(gap) == side
            ]
        )
    )
    return (
        f"The model is {verdict(facts)} {NAMES[facts['best']]}, the best of {len(gaps)} baselines: "
        f"NDCG@10 as served {facts['model']:.4f} against {facts['baseline']:.4f}, a difference of "
        f"{facts['difference']:+.4f} (95 % interval {facts['low']:+.4f} to {facts['high']:+.4f}, "
        f"{_users(facts)})" + (f"; it is {others}." if others else ".")
    )


def _users(gap: Mapping[str, float]) -> str:
    few = "" if gap["users"] >= FEWEST_USERS else f": too few, it takes {FEWEST_USERS}"
    return f"{gap['users']} users{few}"


def findings(found: Mapping[str, Any]) -> list[str]:
    """What the comparison with each baseline says, a sentence each, with its numbers."""
    said = []
    for name, intervals in found["intervals"].items():
        gap = intervals.get("precision_at_5")
        if gap is None or name == "random":
            continue
        ours = found["test_served"]["precision_at_5"]
        theirs = found["baselines"][name]["test_served"]["precision_at_5"]
        verb = {
            "ahead of": "beats",
            "behind": "falls short of",
            "level with": "cannot be told from",
            "not compared with": "is not compared with",
        }[verdict(gap)]
        said.append(
            f"The model {verb} {NAMES[name]}: precision@5 as served {ours:.4f} against "
            f"{theirs:.4f}, a difference of {gap['difference']:+.4f} "
            f"(95 % interval {gap['low']:+.4f} to {gap['high']:+.4f}, {_users(gap)})."
        )
    return said
