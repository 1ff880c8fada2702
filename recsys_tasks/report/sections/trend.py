"""Section on the last versions: how good each was, and where this run stands among them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recsys_tasks.report import formatting, plots
from recsys_tasks.report.blocks import Facts, Figure, Section, Table
from recsys_tasks.report.headline import outcome_facts

TABLED = 10
"""Newest versions that the table names; the drawing has them all."""


@dataclass(frozen=True)
class Point:
    """One version, or this run: when it was made, and precision@5 as served of it and of the popular list."""

    version: str
    moment: datetime
    model: float | None
    popular: float | None
    is_red: bool = False


def trend(facts: Facts) -> Section | None:
    """The versions before and this run, or None where there were none before."""
    before = list(_points(facts.get("trend") or ()))
    if not before:
        return None
    points = sorted([*before, *_this_run(facts)], key=lambda point: point.moment)
    return Section(
        "The last versions",
        "Each was measured on its own test part, so small steps say little: only a comparison over the "
        "same users, as under Differences, tells two versions apart.",
        figures=_figures(facts, points),
        tables=(_table(facts, points),),
    )


def _points(known: Iterable[Mapping[str, Any]], is_red: bool = False) -> Iterable[Point]:
    for one in known:
        if moment := _moment(one.get("run_after")):
            model, popular = _number(one, "precision_at_5"), _number(one, "popular_precision_at_5")
            yield Point(str(one.get("version")), moment, model, popular, is_red)


def _number(one: Mapping[str, Any], name: str) -> float | None:
    value = one.get(name)
    return value if formatting.is_number(value) else None


def _this_run(facts: Facts) -> Iterable[Point]:
    outcome = outcome_facts(facts)
    here = {**(facts.get("run") or {}), **outcome["metrics"]}
    return _points([here], outcome["verdict"] != "accepted")


def _figures(facts: Facts, points: list[Point]) -> tuple[Figure, ...]:
    served = [point for point in points if not point.is_red]
    red = [(point.moment, point.model) for point in points if point.is_red]
    series = {
        "model": [(point.moment, point.model) for point in served if point.model is not None],
        "popular": [(point.moment, point.popular) for point in served if point.popular is not None],
    }
    if len(series["model"]) + len(red) < 2:
        return ()
    marked = [point.moment for point in served if point.version == _champion(facts)]
    svg = plots.over_time(series, marked[0] if marked else None, red)
    return (Figure(svg, "Precision@5 as served, version by version"),)


def _table(facts: Facts, points: list[Point]) -> Table:
    own = (facts.get("run") or {}).get("version")
    roles = {_champion(facts): ", champion", own: ", this run"}
    rows = tuple(
        (
            f"{point.moment:%Y-%m-%d %H:%M}{roles.get(point.version, '')}",
            formatting.measure(point.model),
            formatting.measure(point.popular),
        )
        for point in reversed(points[-TABLED:])
    )
    return Table(("Run of (UTC)", "precision@5", "of the popular list"), rows)


def _champion(facts: Facts) -> str | None:
    return (facts.get("champion") or {}).get("version")


def _moment(written: Any) -> datetime | None:
    """A run's time in UTC, where what is written is a time."""
    try:
        moment = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
