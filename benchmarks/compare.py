"""``compare``: this project against the article's code, step by step, in one run."""

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from recsys_tasks.cli import Answer, Subcommands, add_command

if TYPE_CHECKING:
    from benchmarks.comparison import Step
    from benchmarks.cost import Cost

EXAMPLES = """
examples:
  python -m benchmarks compare                        1,625 users, a minute or two
  python -m benchmarks compare --scale 0.1 --json     16,254 users, as JSON
  python -m benchmarks compare --scale 1 --full       MovieLens 25M's size, nothing scaled up but the epochs: hours

The data are synthetic, at the shape of MovieLens 25M. Both sides run in this process, one after
the other, against a Postgres of the comparison's own, which is gone afterwards. What is measured on a
sample of the article's side is scaled up, and the notes say so. Only ratios mean anything. "of CPU"
is the ratio of processor time, which other programs on the machine hardly disturb; it leaves out
what Postgres does.
"""


def add_commands(commands: Subcommands) -> None:
    """Adds ``compare``."""
    parser = add_command(
        commands,
        "compare",
        compare,
        "compare this project with the article's code",
        EXAMPLES,
        needs_dataset=False,
    )
    parser.add_argument(
        "--scale", type=float, default=0.01, metavar="S", help="1: 162,541 users (default: 0.01)"
    )
    parser.add_argument(
        "--full", action="store_true", help="run all of the article's rows and users, no sample"
    )
    parser.add_argument(
        "--seed", type=int, default=42, metavar="N", help="of the data; default: 42"
    )
    parser.add_argument("--trees", type=int, default=100, metavar="N", help="default: 100")


def compare(arguments: Namespace) -> Answer:
    """Generates, loads, trains, evaluates and indexes both ways."""
    import logging

    from benchmarks.comparison import Bench
    from benchmarks.prerequisites import prerequisites

    log = logging.getLogger(__name__)
    steps = []
    with prerequisites(arguments.scale, arguments.seed, log.info) as (url, folder):
        for step in Bench(url, folder, arguments.full, arguments.trees).steps():
            log.info("%s", line(step))
            steps.append(step)
    document: dict[str, Any] = {
        "scale": arguments.scale,
        "synthetic": True,
        "full": arguments.full,
        "machine": machine(),
        "steps": [step.document() for step in steps],
    }
    return Answer(document, table(steps))


def table(steps: "list[Step]") -> str:
    """The steps as a table, with their notes below."""
    head = (
        f"{'step':<20}{'article s':>12}{'ours s':>12}{'ratio':>9}{'of CPU':>9}  {'equal':<7}peak MB"
    )
    notes = [f"{step.name}: {note}" for step in steps for note in step.notes]
    return "\n".join([head, *map(line, steps), "", *notes])


def line(step: "Step") -> str:
    """One step's row, and one more where two threads were measured."""
    equal = {True: "yes", False: "NO", None: "-"}[step.equal]
    rows = [_row(step.name, step.article, step.ours, equal)]
    if step.two_threads:
        theirs, ours = step.two_threads
        rows.append(_row("  with 2 threads", theirs, ours, ""))
    return "\n".join(rows)


def _row(name: str, article: "Cost", ours: "Cost", equal: str) -> str:
    ratio, of_cpu = article.seconds / ours.seconds, article.cpu / max(ours.cpu, 1e-9)
    return (
        f"{name:<20}{article.seconds:>12.4g}{ours.seconds:>12.4g}{ratio:>9.2f}{of_cpu:>9.2f}"
        f"  {equal:<7}{article.peak_mb:.0f} / {ours.peak_mb:.0f}"
    )


def machine() -> dict[str, Any]:
    """What the figures were taken on, and how busy it was."""
    import os
    import platform
    from datetime import UTC, datetime

    return {
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load_average_at_end": os.getloadavg()[0],
        "date": datetime.now(UTC).date().isoformat(),
    }
