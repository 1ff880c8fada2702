"""``doctor``: what this machine and its services can do, and what to do about the rest."""

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from recsys_tasks.cli import Answer, Subcommands, add_command
from recsys_tasks.cli.train import add_settings_options, settings_from
from recsys_tasks.config.connections import Connections, stack_home

if TYPE_CHECKING:
    from recsys_tasks.config.settings import Settings

MARKS = {"ok": "  ok  ", "warning": " warn ", "missing": "MISSING"}
SERVICES = ("Postgres", "S3", "Spark master")
"""What makes the exit code 4 when it is set and away."""


def add_commands(commands: Subcommands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "doctor",
        examine_machine,
        "check compiler, OpenMP, CPU, memory, disk, Postgres, what the S3 store honours, and Spark",
        "It writes one small object below doctor/ in the bucket and deletes it again.\n"
        "Memory, disk and time are held against the dataset's size, or against --ratings: what a\n"
        "run would take there by the formulas of docs/scale.md, on two cores, each step by itself;\n"
        "the time of training is WARP's.\n"
        "What a missing extra leaves unexamined is said; everything else is looked at.\n"
        "With train.engine=spark-als it looks at Java, the packages, the master and the exchange, too.\n"
        "Exit code 0, or 4 when Postgres, S3 or the Spark master is set but does not answer.\n\n"
        "examples:\n  recsys doctor --ratings 1e9\n"
        "  recsys doctor --preset spark --set spark.master=spark://host:7077",
    )
    add_settings_options(parser)
    parser.add_argument(
        "--ratings",
        type=_count,
        metavar="N",
        help="a size to hold this machine against, such as 1e9 (default: the dataset's)",
    )


def examine_machine(arguments: Namespace) -> Answer:
    """``recsys doctor``."""
    from recsys_tasks.devstack.doctor import examine

    home = stack_home().absolute()
    settings = settings_from(arguments)
    findings = examine(Connections.find(), settings, home, arguments.ratings)
    lines = []
    for finding in findings:
        lines.append(f"{MARKS[finding.state]:<8} {finding.name:<18} {finding.found}")
        if finding.advice:
            lines.append(f"{'':<27} -> {finding.advice}")
    if arguments.ratings and not any(one.found.startswith("not examined") for one in findings):
        lines += ["", *_costs(arguments.ratings, settings)]
    away = any(one.state == "missing" and one.name in SERVICES for one in findings)
    return Answer([asdict(finding) for finding in findings], "\n".join(lines), 4 if away else 0)


def _costs(ratings: int, settings: "Settings") -> list[str]:
    """A line a step: what it would take at MovieLens' shape."""
    from recsys_tasks.pipeline.cost_model import Size, predict

    head = f"{'step':<20}{'minutes':>12}{'GB of memory':>15}"
    return [
        head,
        *(
            f"{cost.name:<20}{cost.seconds / 60:>12,.1f}{cost.megabytes / 1e3:>15,.1f}"
            for cost in predict(Size.like_movielens(ratings), settings)
        ),
    ]


def _count(text: str) -> int:
    """A number of ratings, ``1e9`` allowed."""
    import math
    from argparse import ArgumentTypeError

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1 <= value <= 1e15:
        raise ArgumentTypeError(f"{text!r} is not a number of ratings, such as 25000095 or 1e9")
    return round(value)
