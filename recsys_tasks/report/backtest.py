"""A back-test as a person reads it: one sentence, a plot, the table of folds, and all folds together."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from recsys_tasks.evaluation.backtest import METRICS, SCORERS, Fold, OverFolds
from recsys_tasks.evaluation.standing import FEWEST_USERS, NAMES, verdict
from recsys_tasks.report import formatting, plots
from recsys_tasks.report.blocks import Figure, Section, Table
from recsys_tasks.report.page import template

DRAWN = METRICS[0]
LABEL = f"{formatting.metric(DRAWN)}, as served"


def summary(folds: Sequence[Fold], whole: Sequence[OverFolds]) -> str:
    """Where the model stands over all folds, in one sentence with its numbers."""
    said = [
        f"{verdict(one.interval.document())} {NAMES[one.baseline]} by {one.interval.difference:+.4f} "
        f"({one.interval.low:+.4f} to {one.interval.high:+.4f}, {one.interval.users} users)"
        for one in whole
        if one.metric == DRAWN
    ]
    moments = f"{len(folds)} moments" if len(folds) != 1 else "one moment"
    return f"Over {moments}, in {LABEL}, the model is {'; '.join(said)}."


def sections(
    folds: Sequence[Fold],
    whole: Sequence[OverFolds],
    skipped: Sequence[Mapping[str, str]],
    svg: str,
) -> tuple[Section, ...]:
    """What the page and the terminal show.

    Args:
        folds: in order of time.
        whole: the model against each baseline over all folds.
        skipped: ``as_of`` and ``reason`` of each moment without a fold.
        svg: ``plot`` of the folds.
    """
    return (
        Section(
            "Moment by moment",
            "Each model was trained on what was known at its moment; its lists met what users liked in "
            "the window after it. A difference is the model's less the other's on the same users, with its "
            "95 % interval.",
            figures=(Figure(svg, f"{LABEL}, of each moment's window"),),
            tables=(_of_folds(folds), _gaps(folds)),
        ),
        Section(
            "All moments together",
            "A user of several windows counts once, by the mean over them; the intervals draw users. "
            f"Of fewer than {FEWEST_USERS} users nothing is said.",
            tables=(_together(whole),),
        ),
        *([_left_out(skipped)] if skipped else []),
    )


def plot(folds: Sequence[Fold]) -> str:
    """The metric of each scorer by moment, as an ``<svg>`` element."""
    series = {
        name: [
            (datetime.fromisoformat(fold.facts["as_of"]), fold.facts["metrics"][name][DRAWN])
            for fold in folds
            if name in fold.facts["metrics"]
        ]
        for name in SCORERS
    }
    return plots.replayed({name: points for name, points in series.items() if points}, LABEL)


def page(dataset: str, said: str, shown: Sequence[Section]) -> str:
    """One HTML page that fetches nothing and runs no script."""
    return template("backtest.html").render(dataset=dataset, summary=said, sections=shown)


def _of_folds(folds: Sequence[Fold]) -> Table:
    head = ("moment", "ratings", "users asked", "positives", *(NAMES[name] for name in SCORERS))
    rows = tuple(
        (
            _day(fold),
            f"{fold.facts['ratings']:,}",
            f"{fold.facts['measured']:,}",
            f"{fold.facts['positives']:,}",
            *(_mean(fold.facts["metrics"].get(name)) for name in SCORERS),
        )
        for fold in folds
    )
    return Table(head, rows, caption=LABEL)


def _gaps(folds: Sequence[Fold]) -> Table:
    head = ("moment", *(f"less {NAMES[name]}" for name in SCORERS[1:]), "window of the recent list")
    rows = tuple(
        (
            _day(fold),
            *(_gap(fold.facts["intervals"].get(name)) for name in SCORERS[1:]),
            _days(fold.facts["chosen"].get("recent")),
        )
        for fold in folds
    )
    return Table(head, rows, caption=f"The model's {LABEL}, less each baseline's")


def _together(whole: Sequence[OverFolds]) -> Table:
    head = ("less", "metric", "difference", "95 % low", "high", "users", "ahead in", "behind in")
    rows = tuple(
        (
            NAMES[one.baseline],
            formatting.metric(one.metric),
            f"{one.interval.difference:+.4f}",
            f"{one.interval.low:+.4f}",
            f"{one.interval.high:+.4f}",
            f"{one.interval.users:,}",
            f"{one.ahead} of {one.folds}",
            f"{one.behind} of {one.folds}",
        )
        for one in whole
    )
    return Table(head, rows)


def _left_out(skipped: Sequence[Mapping[str, str]]) -> Section:
    rows = tuple((one["as_of"][:16], one["reason"]) for one in skipped)
    return Section("Moments left out", tables=(Table(("moment", "reason"), rows, wordy=True),))


def _day(fold: Fold) -> str:
    return f"{datetime.fromisoformat(fold.facts['as_of']).astimezone(UTC):%Y-%m-%d %H:%M}"


def _mean(of: Mapping[str, float] | None) -> str:
    return formatting.NOTHING if of is None else f"{of[DRAWN]:.4f}"


def _gap(of: Mapping[str, Any] | None) -> str:
    if of is None:
        return formatting.NOTHING
    gap = of[DRAWN]
    return f"{gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"


def _days(chosen: Mapping[str, float] | None) -> str:
    return f"{chosen['days']:g} days" if chosen else formatting.NOTHING
