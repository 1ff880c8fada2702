"""What a run came to, in one or two sentences: the same for alert, note, report, pages and command line."""

from collections.abc import Mapping
from typing import Any

NEXT = {
    "settings": "Correct the setting and start the run again",
    "ingest": "Correct the file and start the run again; the tables are as before",
    "fit_dataset": "Look at the data section of the report; load the missing files or move the bound in checks",
    "gate": "The champion stays. Compare both in the report; change the settings, or the bound in gate",
    "build_index": "The champion stays. Change the settings of index, or its bounds in gate",
    "promote": "Compare the version with the new champion; promote it by hand if it is better",
    "approve": "The champion stays. The version is published and can be promoted by hand",
}
"""What a person does next, by the task that failed."""

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


def _stopped(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def next_step(task: str) -> str:
    """What a person does next after a task failed, as a sentence."""
    return _stopped(NEXT.get(task, OTHERWISE))
