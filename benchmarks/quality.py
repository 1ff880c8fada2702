"""``quality``: what each engine and baseline reaches on any ratings, over several seeds."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from recsys_tasks.cli import Answer, Subcommands, add_command
from recsys_tasks.errors import SettingsError

EXAMPLES = """
examples:
  python -m benchmarks quality                              the sample, three seeds
  python -m benchmarks quality FOLDER FOLDER --seeds 5      any folders with movies.csv and ratings.csv
  python -m benchmarks quality FOLDER --json                every seed's numbers

Each seed has its own split and its own first vectors; everything else is the preset nightly's. Read as
served: what a user has rated is left out of their list. The difference to EASE is paired by seed. All
seeds split the same ratings, so the intervals are a little narrow.
"""


def add_commands(commands: Subcommands) -> None:
    """Adds ``quality``."""
    parser = add_command(
        commands,
        "quality",
        quality,
        "compare the engines and the baselines on any ratings",
        EXAMPLES,
        needs_dataset=False,
    )
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="with movies.csv and ratings.csv (default: the sample)",
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="1 to N; default: 3")


def quality(arguments: Namespace) -> Answer:
    """Fits and measures everything on every folder, and prints a table of each."""
    import logging
    import tempfile

    from benchmarks.quality_tables import document, measured, table
    from recsys_tasks.devstack.sample import make_sample

    log = logging.getLogger(__name__)
    if arguments.seeds < 1:
        raise SettingsError(f"--seeds {arguments.seeds}: at least 1")
    refuse_without_files(arguments.folders)
    seeds = range(1, arguments.seeds + 1)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="recsys-") as home:
        folders = arguments.folders
        if not folders:
            folders = [Path(home) / "sample"]
            make_sample(folders[0])
        for folder in folders:
            found[str(folder) if arguments.folders else "sample"] = measured(
                folder, seeds, log.info
            )
    whole = {name: document(of) for name, of in found.items()}
    titles = {name: f"**{name}**, {arguments.seeds} seeds" for name in found}
    text = "\n\n".join("\n".join([titles[name], "", *table(of)]) for name, of in found.items())
    return Answer({"seeds": list(seeds), "folders": whole}, text)


def refuse_without_files(folders: list[Path]) -> None:
    """Refuses before anything is fitted, not after an hour."""
    for folder in folders:
        for name in ("movies.csv", "ratings.csv"):
            if not (folder / name).is_file():
                raise SettingsError(f"{folder} has no {name}")
