"""The facts of a run's report, from whatever its steps left before it ended."""

from collections.abc import Iterable
from typing import Any

from recsys_tasks.errors import NotFound
from recsys_tasks.rivalry import Rivalry
from recsys_tasks.run import RunFiles
from recsys_tasks.version_facts import library_versions

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
    files = rivalry.data.files
    notes = [note for step in steps if (note := _maybe(files, f"steps/{step}.json"))]
    failed = [note for note in notes if note["failure"]]
    training = _maybe(files, "training.json") or {"history": []}
    return report_of_version(rivalry) | _without_gaps(
        {
            "history": training["history"],
            "index_seconds": _maybe(files, "index_seconds.json"),
            "timings": notes,
            "failure": failed[-1] if failed else None,
        }
    )


def what_failed(facts: dict[str, Any], steps: Iterable[str]) -> str:
    """Why a run ended without a champion, in a sentence; empty if it did not."""
    if "failure" in facts:
        return f"{facts['failure']['step']}: {facts['failure']['failure']}"
    done = {note["step"] for note in facts.get("timings", ())}
    stopped = [step for step in steps if step not in done]
    return f"stopped in {stopped[0]} without a word; see its log" if stopped else ""


def _maybe(files: RunFiles, name: str) -> Any:
    try:
        return files.get_json(name)
    except NotFound:
        return None


def _without_gaps(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value}
