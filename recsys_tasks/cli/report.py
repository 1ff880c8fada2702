"""``report`` and ``compare``: what a person reads of one run, and of two versions side by side."""

import tempfile
import webbrowser
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_tasks.cli import Answer, Subcommands, add_command, check_out, open_store

if TYPE_CHECKING:
    from recsys_tasks.artifacts.object_store import ObjectStore

LAST = "last"
"""Names the newest run, whether it published a version or not."""


def add_commands(commands: Subcommands) -> None:
    """Adds the two commands."""
    report = add_command(
        commands,
        "report",
        show_report,
        "say what a run came to, and open its report or write it to a file",
        "A run is named by its version, by its run id, or as last, champion, previous or candidate. A\n"
        "rejected or failed run has a report too.\n\n"
        "examples:\n  recsys report\n  recsys report last --open\n"
        "  recsys report 20261124T030000Z-1a2b3c4d --out report.html",
    )
    report.add_argument("version", nargs="?", default=LAST, help="(default: last)")
    where = report.add_mutually_exclusive_group()
    where.add_argument("--open", action="store_true", help="show it in the web browser")
    where.add_argument("--out", type=Path, metavar="FILE", help="write the HTML page here")
    compare = add_command(
        commands,
        "compare",
        compare_two,
        "show what differs between two versions: quality, settings, data, users' lists, movies",
        "A version is a name, or champion, previous, or candidate: the newest that is newer than the\n"
        "champion. Without names: the champion and the candidate.\n\n"
        "examples:\n  recsys compare\n  recsys compare previous champion\n"
        "  recsys compare 20261117T030000Z-5e6f7a8b 20261124T030000Z-1a2b3c4d --json",
    )
    compare.add_argument("before", nargs="?", default="champion", help="(default: champion)")
    compare.add_argument("now", nargs="?", default="candidate", help="(default: candidate)")


def show_report(arguments: Namespace) -> Answer:
    """``recsys report``."""
    from recsys_tasks.artifacts import keys
    from recsys_tasks.report.headline import headline

    check_out(arguments.out)
    store, dataset = open_store(), arguments.dataset
    run = _named_run(store, dataset, arguments.version)
    outcome = _outcome(store, dataset, run)
    key = keys.runs(dataset, run) + "report.html"
    if not store.exists(key):
        key = keys.version(dataset, run) + "report.html"
    place = _put(store.get(key), arguments) if arguments.open or arguments.out else None
    document = outcome | {"version": run, "dataset": dataset, "report": key, "file": place}
    said = headline(outcome) if outcome else f"Version {run} of {dataset}; its run has expired"
    then = f"report: {place}" if place else f"report: s3://{store.bucket}/{key}; --open shows it"
    return Answer(document, f"{said}\n{then}")


def _put(page: bytes, arguments: Namespace) -> str:
    """Writes the page where it was asked for, and opens it."""
    out = arguments.out or Path(tempfile.mkdtemp(prefix="recsys-report-")) / "report.html"
    out.write_bytes(page)
    if arguments.open and not webbrowser.open(out.absolute().as_uri()):
        return f"{out}; no web browser could be started here: open the file yourself"
    return str(out)


def _named_run(store: "ObjectStore", dataset: str, name: str) -> str:
    """The version name of the run that a name stands for.

    Raises:
        NotFound: there is none; the message says what there is.
    """
    from recsys_tasks.artifacts import keys
    from recsys_tasks.errors import NotFound
    from recsys_tasks.publish.naming import named_version, unknown_dataset

    runs = sorted(store.folders(keys.all_runs(dataset)), reverse=True)
    ended = (run for run in runs if store.exists(keys.runs(dataset, run) + "report.html"))
    if name in runs:
        return name
    if name == LAST:
        if last := next(ended, None):
            return last
        raise NotFound(unknown_dataset(store, dataset) or f"no run of {dataset} left a report")
    called = (run for run in ended if _outcome(store, dataset, run).get("run_id") == name)
    found = next(called, None) if "__" in name else None
    return found or named_version(store, dataset, name)


def _outcome(store: "ObjectStore", dataset: str, run: str) -> dict[str, Any]:
    """What the run came to; empty where its files have expired."""
    from recsys_tasks.artifacts import keys

    key = keys.runs(dataset, run) + "outcome.json"
    return store.get_json(key) if store.exists(key) else {}


def compare_two(arguments: Namespace) -> Answer:
    """``recsys compare``."""
    from recsys_tasks.pipeline.compare import compare_versions
    from recsys_tasks.publish.naming import named_version

    store, dataset = open_store(), arguments.dataset
    before, now = (
        named_version(store, dataset, name) for name in (arguments.before, arguments.now)
    )
    found = compare_versions(store, dataset, before, now)
    return Answer(found.document(), found.text())
