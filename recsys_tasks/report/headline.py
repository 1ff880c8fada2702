"""What a run came to, in one or two sentences: the same for alert, note, report, pages and command line."""

from collections.abc import Mapping
from typing import Any

from recsys_tasks.report import formatting

NEXT = {
    "settings": "Correct the setting and start the run again",
    "ingest": "Correct the file and start the run again; the tables are as before",
    "fit_dataset": "Look at the data section of the report; load the missing files or move the bound in checks",
    "gate": "The champion stays. Compare both in the report; change the settings, or the bound in gate",
    "finalise": "The champion stays. Turn train.finalise off to publish the judged model, or move its bounds in gate",
    "build_index": "The champion stays. Change the settings of index, or its bounds in gate",
    "promote": "Compare the version with the new champion; promote it by hand if it is better",
    "approve": "The champion stays. The version is published and can be promoted by hand",
}
"""What a person does next, by the task that failed."""

APPROVAL = "approve"
"""The task that waits for a person; a no is a rejection."""

MODEL_METRICS = ("precision_at_5", "recall_at_10", "ndcg_at_10")

OTHERWISE = "Read the task's log, then clear the task: a retry goes on from what is there"


def headline(outcome: Mapping[str, Any]) -> str:
    """One sentence or two on what a run came to: the reason first, then what to do next.

    The same for an alert, a run's note, the report, the pages and the command line.

    Args:
        outcome: what ``outcome_of`` returned, or ``outcome.json`` of any age.
    """
    word = str(outcome.get("verdict", "")).capitalize()
    if reason := str(outcome.get("reason") or ""):
        first = reason.partition("; ")[0]
        step, _, why = first.partition(": ")
        why = why.removeprefix("the gate rejected the candidate: ") or first
        return f"{word}: {_stopped(why)} {next_step(step)}"
    precision = (outcome.get("metrics") or {}).get("precision_at_5")
    popular = (outcome.get("metrics") or {}).get("popular_precision_at_5")
    if precision is None:
        return f"{word}."
    beside = f", the popular list {popular:.3g}" if popular is not None else ""
    return f"{word}: precision@5 is {precision:.3g}{beside}."


def outcome_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What ``headline`` says of a run whose report has these facts.

    Args:
        facts: as ``render_report`` takes them.

    Returns:
        ``verdict`` (accepted, rejected, failed) and ``reason``, what failed in order, empty if it was
        accepted; ``failed_task``, the first that failed, empty if none did; ``metrics`` as served,
        whatever of them is known.
    """
    gate, failures = facts.get("gate") or {}, facts.get("failures") or ()
    told = [f"{each.get('step')}: {each.get('failure')}" for each in failures]
    refused = gate.get("accepted") is False
    if refused and not told:
        told = ["gate: " + ("; ".join(unmet(gate)) or "the candidate is not good enough")]
    refused = refused or any(each.get("step") == APPROVAL for each in failures)
    return {
        "verdict": "rejected" if refused else "failed" if told else "accepted",
        "reason": "; ".join(told),
        "failed_task": told[0].partition(": ")[0] if told else "",
        "metrics": _metrics(facts),
    }


def unmet(gate: Mapping[str, Any]) -> list[str]:
    """The reasons of the rules that are not met, in their order."""
    failed = [rule for rule in gate.get("rules") or () if not rule.get("passed")]
    return [str(rule.get("reason") or formatting.rule(str(rule.get("name")))) for rule in failed]


def _metrics(facts: Mapping[str, Any]) -> dict[str, float]:
    metrics = facts.get("metrics") or {}
    served = metrics.get("test_served") or {}
    popular = ((metrics.get("baselines") or {}).get("popular") or {}).get("test_served") or {}
    index = facts.get("index") or {}
    serves = index.get("exact") if index.get("search") == "exact" else index
    known = {name: served.get(name) for name in MODEL_METRICS} | {
        "popular_precision_at_5": popular.get("precision_at_5"),
        "index_recall_at_10": (serves or {}).get("recall_at_10"),
    }
    return {name: value for name, value in known.items() if value is not None}


def _stopped(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def next_step(task: str) -> str:
    """What a person does next after a task failed, as a sentence."""
    return _stopped(NEXT.get(task, OTHERWISE))
