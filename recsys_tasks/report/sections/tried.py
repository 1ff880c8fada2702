"""Section on what the engine tried on the validation part before it chose what to fit."""

from collections.abc import Mapping
from typing import Any

from recsys_tasks.report import formatting
from recsys_tasks.report.blocks import Facts, Section, Table, flat


def tried(facts: Facts) -> Section | None:
    """Every candidate with its metric, or None where the engine had nothing to choose."""
    candidates, chosen = facts.get("candidates") or [], facts.get("chosen") or {}
    if not candidates:
        return None
    name = dict(flat(facts.get("settings"))).get("train.validate_on") or "ndcg_at_10"
    label = f"{formatting.metric(str(name))} on validation"
    head = ("Width of ridge-svd", "Weight of WARP", label, "95 % low", "95 % high", "Chosen")
    return Section(
        "What was tried",
        "One candidate a row. A later one took an earlier one's place only where the 95 % interval of "
        "its gain over the same users lies above zero.",
        tables=(Table(head, tuple(_row(each, chosen) for each in candidates)),),
    )


def _row(candidate: Mapping[str, Any], chosen: Mapping[str, Any]) -> tuple[str, ...]:
    is_chosen = all(candidate.get(name) == chosen.get(name) for name in CHOICES)
    return (
        formatting.count(candidate.get("components")),
        formatting.measure(candidate.get("warp_weight")),
        formatting.measure(candidate.get("validation")),
        formatting.signed(candidate.get("low")),
        formatting.signed(candidate.get("high")),
        "yes" if is_chosen else "",
    )


CHOICES = ("components", "warp_weight")
"""What a candidate differs in from the others."""
