"""The facts of a run's report, from whatever its steps left before it ended."""

from collections.abc import Iterable, Mapping
from typing import Any

from recsys_tasks.errors import NotFound
from recsys_tasks.rivalry import Rivalry
from recsys_tasks.run import RunFiles
from recsys_tasks.version_facts import library_versions

WORDLESS = "did not finish and left no reason; see the log of the first red task"
"""Said of a step that was killed, ran out of time, waits for a person or met a bug."""

MODEL_METRICS = ("precision_at_5", "recall_at_10", "ndcg_at_10")

MADE = ("data", "checks", "metrics", "gate", "index")
"""Sections of the report that a step leaves whole, in a file of that name."""


def report_of_version(rivalry: Rivalry) -> dict[str, Any]:
    """What a version's own report says: without times, a function of the version alone."""
    files = rivalry.data.files
    training = _maybe(files, "training.json") or {"history": []}
    history = [
        {name: epoch[name] for name in ("epoch", "validation")} for epoch in training["history"]
    ]
    made = {name: _maybe(files, f"{name}.json") for name in MADE}
    return _without_gaps(
        {
            **made,
            **(_maybe(files, "examples.json") or {}),
            **(rivalry.beside(made["data"]) if made["metrics"] else {}),
            "libraries": library_versions(),
            "run": files.run.document()
            | {"dataset": files.run.dataset, "version": files.run.version},
            "history": history,
            "settings": rivalry.settings.flat(),
        }
    )


def report_of_run(rivalry: Rivalry, steps: Iterable[str]) -> dict[str, Any]:
    """What a run's report says: the version's, with the time, memory and fate of each step."""
    files, steps = rivalry.data.files, tuple(steps)
    notes = [note for step in steps if (note := _maybe(files, f"steps/{step}.json"))]
    training = _maybe(files, "training.json") or {"history": []}
    return report_of_version(rivalry) | _without_gaps(
        {
            "history": training["history"],
            "index_seconds": _maybe(files, "index_seconds.json"),
            "timings": notes,
            "failure": _failure(notes, steps),
        }
    )


def outcome_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a run came to, small enough for a list of runs, a note and an operator's gauges.

    Args:
        facts: what ``report_of_run`` returned.

    Returns:
        the run's names; ``verdict`` (accepted, rejected, failed) and ``reason``, empty if it was
        accepted; ``metrics`` as served, ``rows`` and sizes, ``seconds`` and ``peak_mb`` by step:
        whatever of them is known.
    """
    failure, accepted = facts.get("failure"), (facts.get("gate") or {}).get("accepted")
    refused = accepted is False
    timings = facts.get("timings") or ()
    return {
        **facts["run"],
        "verdict": "rejected" if refused else "failed" if failure else "accepted",
        "reason": f"{failure['step']}: {failure['failure']}" if failure else "",
        "metrics": _headline(facts),
        "rows": _rows(facts.get("data") or {}),
        "seconds": {note["step"]: note["seconds"] for note in timings},
        "peak_mb": {note["step"]: note["peak_mb"] for note in timings},
    }


def _failure(notes: list[dict[str, Any]], steps: tuple[str, ...]) -> dict[str, Any] | None:
    """The first step that failed or left no note: in a chain, a later note is of an earlier try."""
    found = {note["step"]: note for note in notes}
    for step in steps:
        if step not in found:
            return {"step": step, "failure": WORDLESS}
        if found[step]["failure"]:
            return found[step]
    return None


def _headline(facts: Mapping[str, Any]) -> dict[str, float]:
    metrics = facts.get("metrics") or {}
    served = metrics.get("test_served") or {}
    popular = ((metrics.get("baselines") or {}).get("popular") or {}).get("test_served") or {}
    index = facts.get("index") or {}
    known = {name: served.get(name) for name in MODEL_METRICS} | {
        "popular_precision_at_5": popular.get("precision_at_5"),
        "index_recall_at_10": index.get("recall_at_10"),
    }
    return {name: value for name, value in known.items() if value is not None}


def _rows(data: Mapping[str, Any]) -> dict[str, int]:
    """Rows of the files that were loaded and set aside, and the sizes of what was trained on."""
    files = data.get("files") or ()
    sums = {name: sum(file.get(name) or 0 for file in files) for name in ("loaded", "rejected")}
    sizes = {name: data[name] for name in ("users", "items", "ratings") if name in data}
    return sums | sizes if data else {}


def _maybe(files: RunFiles, name: str) -> Any:
    try:
        return files.get_json(name)
    except NotFound:
        return None


def _without_gaps(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value}
