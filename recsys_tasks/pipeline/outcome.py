"""Collects the facts of a run's report from what its steps left, and writes report and outcome."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recsys_tasks.config.redaction import redacted_tree
from recsys_tasks.pipeline.run import Run, RunFiles
from recsys_tasks.pipeline.run_champion import RunChampion
from recsys_tasks.pipeline.run_files import (
    CHECKS,
    DATA,
    EXAMPLES,
    FINALISED_FACTS,
    GATE,
    INDEX,
    INDEX_FOUND,
    INDEX_SECONDS,
    METRICS,
    OUTCOME,
    REPORT,
    TRAINING,
    RunFile,
)
from recsys_tasks.pipeline.step_list import STEPS, StepSpec
from recsys_tasks.pipeline.step_log import StepRecord
from recsys_tasks.pipeline.version_facts import library_versions
from recsys_tasks.report.headline import headline, outcome_facts
from recsys_tasks.report.page import render_report

log = logging.getLogger(__name__)

UNKNOWN_FAILURE = "did not finish and left no reason; see the log of the first red task"
"""Said of a step that was killed, ran out of time, waits for a person or met a bug."""

FailureLookup = Callable[[str], str | None]
"""What is known of a task's failure from elsewhere than its note, if anything."""


Links = Callable[[Mapping[str, Any]], Mapping[str, str]]
"""From a report's facts to web addresses, by what they lead to."""


def no_links(_facts: Mapping[str, Any]) -> Mapping[str, str]:
    """Nobody knows an address."""
    return {}


def nothing(task: str) -> None:
    """Nobody heard of it."""


MADE: dict[str, RunFile[Any]] = {
    "data": DATA,
    "checks": CHECKS,
    "metrics": METRICS,
    "gate": GATE,
    "finalised": FINALISED_FACTS,
    "index": INDEX,
}
"""Sections of the report that a step leaves whole, in a file of their own."""


def report_of_version(run_champion: RunChampion) -> dict[str, Any]:
    """What a version's own report says: without times, a function of the version alone."""
    files = run_champion.data.files
    training = TRAINING.read_if_there(files) or {"history": []}
    history = [
        {name: epoch.get(name) for name in ("epoch", "validation", "train")}
        for epoch in training["history"]
    ]
    made = {name: file.read_if_there(files) for name, file in MADE.items()}
    return _without_gaps(
        {
            **made,
            **(EXAMPLES.read_if_there(files) or {}),
            **(run_champion.beside(DATA.read(files)) if made["metrics"] else {}),
            "libraries": library_versions(),
            "run": _names(files.run),
            "history": history,
            "epochs": training.get("epochs"),
            **_choice(training.get("model") or {}),
            "warp_left_out": (training.get("model") or {}).get("warp_left_out"),
            "settings": redacted_tree(run_champion.settings.flat()),
        }
    )


def report_of_run(
    run_champion: RunChampion, notes: Sequence[StepRecord], heard: FailureLookup = nothing
) -> dict[str, Any]:
    """What a run's report says: the version's, with the time, memory and fate of each step.

    What a step made in an earlier try, and has not made again, is left out.

    Args:
        rivalry: of the run.
        notes: what the steps left of their running.
        heard: asked about the tasks of a step that left no note: what failed may be the store itself, or a
            person said no.
    """
    files = run_champion.data.files
    training = TRAINING.read_if_there(files) or {"history": []}
    known = report_of_version(run_champion) | _without_gaps(
        {
            "history": training["history"],
            "index_seconds": INDEX_SECONDS.read_if_there(files),
            "index_found": INDEX_FOUND.read_if_there(files),
            "timings": list(notes),
            "failures": failures_of(notes, heard),
        }
    )
    stale = _stale(notes)
    return {name: value for name, value in known.items() if name not in stale}


def report_of_refusal(run: Run, conf: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """What the report of a run says whose conf was refused, so that no step could begin.

    Args:
        conf: as it was given.
        reason: why it was refused, in words.
    """
    failure = {"step": "settings", "failure": reason}
    return {"run": _names(run), "failures": [failure], "settings": dict(conf)}


def write_report(
    files: RunFiles, facts: Mapping[str, Any], links: Links = no_links
) -> dict[str, Any]:
    """Writes a run's report and its outcome; returns the report's key with ``outcome_of`` it."""
    # A link of ours carries names in its query, which the redaction of an address takes away.
    facts = {**redacted_tree(facts), "links": dict(links(facts))}
    key = REPORT.write(files, render_report(facts).encode())
    outcome = outcome_of(facts)
    OUTCOME.write(files, outcome)
    log.info("report: wrote %s", key)
    log.log(logging.ERROR if outcome["reason"] else logging.INFO, "%s", headline(outcome))
    return {"report": key, **outcome}


def outcome_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a run came to, small enough for a list of runs, a note and an operator's gauges.

    Args:
        facts: what ``report_of_run`` or ``report_of_refusal`` returned.

    Returns:
        the run's names; ``verdict`` (accepted, rejected, failed) and ``reason``, empty if it was
        accepted; ``headline``, the sentence for people; ``metrics`` as served, ``rows`` and sizes, ``checks`` of the data by name, ``seconds`` and ``peak_mb`` by step:
        whatever of them is known.
    """
    timings = facts.get("timings") or ()
    outcome = {
        **facts["run"],
        **outcome_facts(facts),
        "rows": _rows(facts.get("data") or {}),
        "checks": {check["name"]: check["value"] for check in facts.get("checks") or ()},
        "seconds": {note["step"]: note["seconds"] for note in timings},
        "peak_mb": {note["step"]: note["peak_mb"] for note in timings},
    }
    return outcome | {"headline": headline(outcome)}


def failures_of(
    notes: Sequence[StepRecord], heard: FailureLookup = nothing
) -> list[dict[str, str]]:
    """What failed, in order, and what began and left no note: after a failure none begins.

    Returns:
        ``step``, the task that failed: the step, or one that belongs to it; and ``failure``, in words.
    """
    found, failures, before_failed = {note["step"]: note for note in notes}, [], False
    for step in STEPS:
        note = found.get(step.name)
        if note is not None:
            task, failure = note.get("task", step.name), note["failure"]
        else:
            task, failure = ("", "") if before_failed else _unnoted(step, heard)
        if failure:
            failures.append({"step": task, "failure": failure})
        before_failed = note is None or bool(failure)
    return failures


def _unnoted(step: StepSpec, heard: FailureLookup) -> tuple[str, str]:
    """The task of a step without a note that is known to have failed, and of what."""
    for task in step.task_ids:
        if told := heard(task):
            return task, told
    return step.name, UNKNOWN_FAILURE


def _stale(notes: Sequence[StepRecord]) -> set[str]:
    """Names of the facts whose step has not made them in the run's latest course."""
    failed = {note["step"]: bool(note["failure"]) for note in notes}
    return {
        name
        for step in STEPS
        if failed.get(step.name, True) and not (step.judges and step.name in failed)
        for name in step.makes
    }


def _choice(made: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine tried, and which of it was fitted."""
    is_blend = made.get("engine") == "blend"
    chosen = {
        "components": (made.get("ridge_svd") or {}).get("components"),
        "warp_weight": (made.get("blend") or {}).get("warp_weight") if is_blend else 0,
    }
    return {"candidates": made.get("candidates"), "chosen": chosen}


def _rows(data: Mapping[str, Any]) -> dict[str, int]:
    """Rows of the files that were loaded and rejected, and the sizes of what was trained on."""
    files = data.get("files") or ()
    sums = {name: sum(file.get(name) or 0 for file in files) for name in ("loaded", "rejected")}
    sizes = {name: data[name] for name in ("users", "items", "ratings") if name in data}
    return sums | sizes if data else {}


def _names(run: Run) -> dict[str, str]:
    return run.document() | {"dataset": run.dataset, "version": run.version}


def _without_gaps(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value}
