"""``flow``: seconds and peak memory of each step of a run, every step in a process of its own."""

from argparse import Namespace
from typing import Any

from recsys_tasks.cli import Answer, Subcommands, add_command
from recsys_tasks.errors import SettingsError
from recsys_tasks.pipeline.step_list import ORDER

EXAMPLES = """
Generates ratings at the shape of MovieLens 25M (docs/generator.md), starts a Postgres and an S3 server
of its own, which are gone afterwards, and runs the preset nightly with two threads and few epochs.

"peak_mb" is the most that a step's process held at a time (VmHWM), "anonymous_mb" the most of it that
is not a file's (RssAnon, looked at every 20 ms): what is mapped the kernel can give up. Linux only.

examples:
  python -m benchmarks flow --scale 0.1 --json
  python -m benchmarks flow --scale 0.1 --set train.engine=ridge-svd
  python -m benchmarks flow --scale 4 --parts --only train
  python -m benchmarks flow --dataset mls         tables and bucket that recsys env prints
"""


def add_commands(commands: Subcommands) -> None:
    """Adds ``flow``."""
    parser = add_command(
        commands, "flow", flow, "measure every step of a run", EXAMPLES, needs_dataset=False
    )
    parser.add_argument(
        "--scale", type=float, default=0.01, metavar="S", help="1: 162,541 users (default: 0.01)"
    )
    parser.add_argument(
        "--parts",
        action="store_true",
        help="without Postgres: fit_dataset generates its ratings, train is ridge-svd's",
    )
    parser.add_argument("--only", choices=ORDER, default=ORDER[-1], help="stop after this step")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="assignments",
        metavar="SECTION.FIELD=VALUE",
        help="one setting of the run; may be repeated",
    )


def flow(arguments: Namespace) -> Answer:
    """Runs the steps one after the other and tells what each took."""
    from benchmarks.flow import Flow, measure
    from recsys_tasks.config.settings import parse_assignments

    overrides = parse_assignments(arguments.assignments)
    dataset = arguments.dataset or ""
    if dataset and arguments.parts:
        raise SettingsError("--parts generates its ratings: it does not go with --dataset")
    asked = Flow(arguments.scale, dataset, overrides, arguments.only, arguments.parts)
    document = measure(asked)
    return Answer(document, table(document))


def table(document: dict[str, Any]) -> str:
    """The steps as a table, the sums and the highest peaks last."""
    steps = document["steps"]
    lines = [f"{'step':<20}{'seconds':>10}{'peak MB':>10}{'anonymous MB':>14}"]
    lines += [_line(step["name"], step) for step in steps]
    whole = {"seconds": sum(step["seconds"] for step in steps)}
    whole |= {name: max(step[name] for step in steps) for name in ("peak_mb", "anonymous_mb")}
    return "\n".join([*lines, _line("whole run", whole)])


def _line(name: str, step: dict[str, Any]) -> str:
    return (
        f"{name:<20}{step['seconds']:>10.2f}{step['peak_mb']:>10.0f}{step['anonymous_mb']:>14.0f}"
    )
