"""``recsys backtest``: how the model would have served the past, night by night."""

import re
from argparse import ArgumentTypeError, Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_tasks.cli import Answer, Subcommands, add_command, open_database
from recsys_tasks.cli.train import add_settings_options, settings_from

if TYPE_CHECKING:
    from recsys_tasks.pipeline.backtest import Backtest

EXAMPLES = """
Trains a model as of each moment and asks it for what users liked in the window after it. Beside it: the popular
list, the recently popular one (its window chosen on validation) and EASE, on the same users. Nothing is
published. Users and items that were not known at a moment are counted, not asked.

With --out each moment's numbers are kept there, so a repeat goes on where the last one ended; table, page and
plot are written beside them: backtest.json, backtest.html, backtest.svg.

  recsys backtest --from 2016-01-01 --every 30d --horizon 30d --out backtest
  recsys backtest --dataset shop --from 2026-10-01 --to 2026-11-01 --every 7d --horizon 7d --json
  recsys backtest --from 2016-01-01 --every 30d --horizon 30d --set train.engine=ridge-svd
  recsys backtest --from 2016-01-01 --known rated
                                  for a history that was loaded in several files long after it happened
"""

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
PAGE, PLOT, DOCUMENT = "backtest.html", "backtest.svg", "backtest.json"


def add_commands(commands: Subcommands) -> None:
    """Adds ``backtest``."""
    parser = add_command(
        commands,
        "backtest",
        backtest,
        "replay past nights and measure each on what came after",
        EXAMPLES,
    )
    add_settings_options(parser)
    parser.add_argument(
        "--from",
        type=_moment,
        required=True,
        dest="begin",
        metavar="TIME",
        help="the first moment, UTC, such as 2016-01-01 or 2016-01-01T03:00",
    )
    parser.add_argument(
        "--to",
        type=_moment,
        dest="end",
        metavar="TIME",
        help="no moment is later (default: the newest rating less the horizon)",
    )
    parser.add_argument(
        "--every", type=_duration, default=timedelta(days=7), metavar="7d", help="default: 7d"
    )
    parser.add_argument(
        "--horizon",
        type=_duration,
        default=timedelta(days=7),
        metavar="7d",
        help="length of the window after each moment; default: 7d",
    )
    parser.add_argument(
        "--known",
        choices=("loaded", "rated"),
        default="loaded",
        help="what counts as known at a moment: rated and loaded by then (default), or rated",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="keep folds, write page and plot"
    )


def backtest(arguments: Namespace) -> Answer:
    """Replays every moment and says how the model stood."""
    from recsys_tasks.evaluation.backtest import over_folds
    from recsys_tasks.pipeline.backtest import Plan, last_moment, run_backtest
    from recsys_tasks.report import backtest as report
    from recsys_tasks.report.text import sections_text

    settings, database, folder = settings_from(arguments), open_database(), arguments.out
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    end = arguments.end or last_moment(database, settings, arguments.horizon)
    plan = Plan(arguments.begin, end, arguments.every, arguments.horizon, arguments.known)
    found = run_backtest(database, settings, plan, folder)
    whole = over_folds(found.folds, settings.evaluate.seed)
    said, svg = report.summary(found.folds, whole), report.plot(found.folds)
    document = _document(arguments, found) | {"over_folds": [one.document() for one in whole]}
    sections = report.sections(found.folds, whole, document["skipped"], svg)
    text = f"{said}\n\n{sections_text(sections)}"
    if folder is not None:
        _write(folder, document, report.page(settings.dataset, said, sections), svg)
        text += f"\n\npage: {folder / PAGE}"
    return Answer(document | {"summary": said}, text)


def _document(arguments: Namespace, found: "Backtest") -> dict[str, Any]:
    return {
        "dataset": arguments.dataset,
        "horizon_seconds": int(arguments.horizon.total_seconds()),
        "known": arguments.known,
        "folds": [fold.facts for fold in found.folds],
        "skipped": [{"as_of": one.as_of, "reason": one.reason} for one in found.skipped],
    }


def _write(folder: Path, document: dict[str, Any], page: str, svg: str) -> None:
    import json

    (folder / DOCUMENT).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    (folder / PAGE).write_text(page, encoding="utf-8")
    name = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    (folder / PLOT).write_text(svg.replace("<svg", name, 1), encoding="utf-8")


def _moment(text: str) -> datetime:
    """A time in UTC unless it names its own zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a time such as 2016-01-01") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _duration(text: str) -> timedelta:
    """``7d`` as seven days; m, h, d and w are known."""
    found = re.fullmatch(r"([1-9]\d{0,5})([mhdw])", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is not a duration such as 7d, 12h or 30m")
    return timedelta(**{UNITS[found[2]]: int(found[1])})
