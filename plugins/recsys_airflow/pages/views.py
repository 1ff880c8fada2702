"""From facts to what a template shows: plots, words for numbers, the templates themselves."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from recsys_airflow.links import task_of
from recsys_airflow.pages.catalogue import Row, RunOutcome
from recsys_tasks import report
from recsys_tasks.artifacts.ids import Id
from recsys_tasks.artifacts.items import Noun
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.pointer import Pointer
from recsys_tasks.errors import SettingsError
from recsys_tasks.report import formatting, plots
from recsys_tasks.report.page import Rule, rule_of

TEMPLATES = Path(__file__).parent / "templates"
STYLES = Path(report.__file__).parent / "templates"
"""Where the report's style lies, which the pages share."""

PAGE = 100
"""Versions that a list shows before it is asked for every one."""


def quality_over_time(
    rows: Sequence[Row], champion: Pointer | None, endings: Sequence[RunOutcome] = ()
) -> str:
    """A plot of precision@5 as served, version by version, and of the runs that ended red.

    Empty while there are fewer than two of them.
    """
    dated = [row for row in reversed(rows) if row.moment and row.accepted]
    series = {
        name: [
            (row.moment, value)
            for row in dated
            if row.moment and formatting.is_number(value := getattr(row, field))
        ]
        for name, field in (("model", "precision"), ("popular", "popular"))
    }
    red = _red(rows, endings)
    if len(series["model"]) + len(red) < 2:
        return ""
    marked = [row.moment for row in dated if champion and row.version == champion.version]
    drawn = {name: points for name, points in series.items() if points or name == "model"}
    return plots.over_time(drawn, marked[0] if marked else None, red)


def _red(rows: Sequence[Row], endings: Sequence[RunOutcome]) -> list[tuple[datetime, float | None]]:
    """Moment and precision of what was rejected or failed, oldest first, each version once."""
    found = {row.version: (row.moment, row.precision) for row in rows if not row.accepted}
    found |= {one.version: (one.moment, one.precision) for one in endings if one.is_red}
    return sorted((moment, value) for moment, value in found.values() if moment)


def rule(facts: Any) -> Rule:
    """A rule of the gate with its bar."""
    return rule_of(facts.model_dump(mode="json"))


def with_links(document: str, links: Mapping[str, str]) -> str:
    """A published report with links in its head: it has none of its own, because it lies anywhere."""
    made = "\n".join(f'<a href="{escape(to)}">{escape(name)}</a>' for name, to in links.items())
    shown = f'<nav class="links" aria-label="Where to go on">\n{made}\n</nav>\n</header>'
    return document.replace("</header>", shown, 1)


def files(manifest: Manifest) -> list[dict[str, str]]:
    """Name, size, shape and sha256 of each file of a version, in words."""
    return [
        {
            "name": name,
            "size": formatting.memory(facts.bytes / 1e6)
            if facts.bytes > 1e6
            else _kilobytes(facts),
            "shape": " x ".join(str(length) for length in facts.shape or ()),
            "sha256": facts.sha256,
        }
        for name, facts in sorted(manifest.files.items())
    ]


def identifier(text: str, what: str, noun: Noun) -> Id:
    """An id that somebody typed: of movies and their users a number, of others any text.

    Raises:
        SettingsError: a number is needed, and it is none.
    """
    if noun == "item":
        return text
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{text!r} is not the number of a {what}") from None


def moment(written: str) -> str:
    """A time as a pointer holds it, to the minute; anything else as it is."""
    return re.sub(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?Z$", r"\1 \2 UTC", written)


def age(moment: datetime | str | None) -> str:
    """How long ago a time was, in the largest unit that says something; what is no time as it is."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return str(moment)
    if moment is None:
        return formatting.NOTHING
    minutes = max(0, int((datetime.now(UTC) - moment.astimezone(UTC)).total_seconds() // 60))
    for unit, length in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes >= length:
            number = minutes // length
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


def minute(moment: datetime | None) -> str:
    """A time to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else formatting.NOTHING


@cache
def static(name: str) -> str:
    """A style sheet or a script."""
    folder = STYLES if name == "report.css" else TEMPLATES
    return (folder / name).read_text(encoding="utf-8")


@cache
def template(name: str) -> Template:
    """One of the templates; everything that goes into it is escaped."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "measure": formatting.measure,
        "count": formatting.count,
        "moment": moment,
        "minute": minute,
        "age": age,
        "task": task_of,
    }
    return environment


def _kilobytes(facts: Any) -> str:
    return f"{facts.bytes / 1000:.1f} kB"
