"""``finalise``: whether the finalised model is better than the judged one on what users liked next."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.quality import refuse_without_files
from recsys_tasks.cli import Answer, Subcommands, add_command
from recsys_tasks.errors import SettingsError

EXAMPLES = """
examples:
  python -m benchmarks finalise                         the sample, five windows
  python -m benchmarks finalise FOLDER FOLDER           any folders with movies.csv and ratings.csv
  python -m benchmarks finalise FOLDER --windows 8
  python -m benchmarks finalise FOLDER --each-user      every user's own last tenth is what follows

The second half of the ratings, by time, is cut into windows. At the beginning of each a night trains on all
that is older, as the preset nightly does: the judged model on train and validation, the finalised one on the
test part too, with the same choices. Both are asked for what known users liked in the window. With --each-user
one night knows all but the last tenth of each user's ratings, again for each window with another split: more
users take part where few come back. The interval is paired: a bootstrap over users, each with the mean of
their windows.
"""


def add_commands(commands: Subcommands) -> None:
    """Adds ``finalise``."""
    parser = add_command(
        commands,
        "finalise",
        finalise,
        "compare the finalised with the judged model on the days that follow",
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
    parser.add_argument("--windows", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument(
        "--each-user", action="store_true", help="take every user's own last tenth as the window"
    )


def finalise(arguments: Namespace) -> Answer:
    """Trains and compares on every window of every folder, and prints a table."""
    import logging
    import tempfile

    from benchmarks.finalise_windows import measured, table
    from recsys_tasks.devstack.sample import make_sample

    if arguments.windows < 1:
        raise SettingsError(f"--windows {arguments.windows}: at least 1")
    refuse_without_files(arguments.folders)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="recsys-") as home:
        folders = arguments.folders
        if not folders:
            folders = [Path(home) / "sample"]
            make_sample(folders[0])
        for folder in folders:
            say = logging.getLogger(__name__).info
            name = str(folder) if arguments.folders else "sample"
            found[name] = measured(folder, arguments.windows, arguments.each_user, say)
    told = {"windows": arguments.windows, "each_user": arguments.each_user, "folders": found}
    return Answer(told, "\n".join(table(found)))
