"""The page of the report: the verdict, the sections that the facts allow, the template."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from recsys_tasks.report import formatting
from recsys_tasks.report.blocks import Section
from recsys_tasks.report.headline import headline, outcome_facts, unmet
from recsys_tasks.report.sections import data, quality, summary, training, trend, tried

ORDER = (
    quality.quality,
    quality.differences,
    trend.trend,
    quality.slices,
    quality.coverage,
    quality.views,
    training.training,
    tried.tried,
    training.index,
    data.data,
    data.activity,
    data.changes,
)
"""Sections above the example users, in order."""

AFTER = (
    data.neighbours,
    training.timings,
    training.changed_settings,
    training.settings,
    training.lineage,
)
"""Sections below them."""

JUDGES = ("gate", "finalise", "build_index")
"""Steps whose failure the rules tell better, where a rule is not met."""


@dataclass(frozen=True)
class Verdict:
    """The first thing that the page says."""

    word: str
    tone: str
    """good, bad or open: the style that it is shown in"""
    sentence: str
    """what alert, note and pages say, without their first word"""
    others: tuple[str, ...] = ()
    """reasons that the sentence does not hold, or holds in part"""


@dataclass(frozen=True)
class Rule:
    """One rule of the gate, with the places of its bar in per cent of the bar's full width."""

    name: str
    value: str
    bound: str
    passed: bool
    reason: str
    start: float
    filled: float
    mark: float


@dataclass(frozen=True)
class Film:
    """A line of a list."""

    title: str
    detail: str


@dataclass(frozen=True)
class Example:
    """One user: lists of movies by the list's heading."""

    user: str
    lists: dict[str, tuple[Film, ...]]


def render_report(facts: Mapping[str, Any]) -> str:
    """One HTML page of whatever is known of a run; needs no network and runs no script.

    The same facts give the same text. Whatever is missing is left out, so an early failure has its
    page too.

    Args:
        facts: a JSON-able dict. Every key may be missing:
            ``run``: dataset, version, dag_id, run_id, run_after;
            ``gate``, ``metrics``, ``index``, ``data``, ``code``, ``libraries``: as in the manifest;
            ``metrics`` with standard_errors, intervals, slices, findings and the comparison with the
            champion, as ``model.evaluation`` and ``model.champion`` make them; a rule may have a ``reason``;
            ``index_seconds``: seconds of a query at each point of the index's curve;
            ``index_found``: times_scan, a query's time in times of a scan of all items;
            ``activity``: users and items by their number of ratings, and top_tenth;
            ``champion``: its version and metrics;
            ``history``: a dict an epoch: epoch, seconds, validation and train
            (``train.validate_on``);
            ``examples``: dicts with user_id and the lists liked, recommended, champion, each of
            dicts with title, genres and score or rating;
            ``neighbours``: dicts with title, before, now; ``changes``: dicts with name, before, now;
            ``timings``: a dict a step: step, seconds, peak_mb, failure;
            ``failures``: dicts with step and failure, in words, in the steps' order;
            ``epochs``: of the published model; ``candidates``: what the engine chose from, dicts with
            components, warp_weight, validation and, but for the first, low and high; ``chosen``: the
            components and the warp_weight of one of them;
            ``trend``: versions before, dicts with version, run_after, precision_at_5 and
            popular_precision_at_5;
            ``links``: addresses by what they lead to;
            ``settings``: nested or flat.
    """
    shown = _shown(facts)
    terms = summary.terms_in(template().render(**shown, terms={}))
    return template().render(**shown, terms=terms)


def _shown(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows, but the terms."""
    run = facts.get("run") or {}
    above = [section for make in ORDER if (section := make(facts))]
    return {
        "dataset": run.get("dataset", ""),
        "version": run.get("version", ""),
        "verdict": judge(facts),
        "about": summary.about(facts),
        "lead": summary.lead(facts),
        "commands": _commands(facts),
        "links": _links(facts, above),
        "rules": sorted(map(rule_of, _rules(facts)), key=lambda rule: rule.passed),
        "above": above,
        "examples": [example_of(example) for example in facts.get("examples") or []],
        "below": [section for make in AFTER if (section := make(facts))],
    }


def judge(facts: Mapping[str, Any]) -> Verdict:
    """What became of the run, in a word, and why: what failed, in order."""
    gate, failures = facts.get("gate") or {}, facts.get("failures") or []
    outcome = outcome_facts(facts)
    sentence = headline(outcome).partition(": ")[2]
    if outcome["verdict"] == "rejected":
        others = [failure for failure in failures if failure.get("step") not in JUDGES]
        reasons = (*unmet(gate), *map(_named, others))
        word = "Accepted, then rejected" if gate.get("accepted") else "Rejected"
        return Verdict(word, "bad", sentence, _beside(sentence, reasons))
    if failures:
        first, *others = failures
        judged = "Accepted, then failed" if gate else "Failed"
        reasons = (str(first.get("failure")), *map(_named, others))
        return Verdict(
            f"{judged} at {first.get('step')}", "bad", sentence, _beside(sentence, reasons)
        )
    if gate:
        return Verdict("Accepted", "good", sentence or "Every rule of the gate is met.")
    return Verdict("Not judged", "open", "The run did not come to the gate.")


def _beside(sentence: str, reasons: Iterable[str]) -> tuple[str, ...]:
    """The reasons that are not in the sentence as they are."""
    return tuple(reason for reason in reasons if reason not in sentence)


def _links(facts: Mapping[str, Any], above: Sequence[Section]) -> dict[str, str]:
    """Addresses by what they lead to: on this page, then the web's."""
    here = {section.title: f"#{section.anchor}" for section in above}
    compared = (facts.get("metrics") or {}).get("champion")
    found = {"Against the champion": here.get("Differences", "")} if compared else {}
    web = (facts.get("links") or {}).items()
    return {name: address for name, address in (*found.items(), *web) if _is_safe(address)}


def _is_safe(address: Any) -> bool:
    return str(address).startswith(("#", "https://", "http://"))


def _commands(facts: Mapping[str, Any]) -> dict[str, str]:
    """Commands that go on from here, by what they do."""
    run, champion = facts.get("run") or {}, (facts.get("champion") or {}).get("version")
    dataset, version = run.get("dataset"), run.get("version")
    if not (dataset and version and champion):
        return {}
    return {
        "Compare with the champion": f"recsys compare {champion} {version} --dataset {dataset}",
        "The champion's report": f"recsys report {champion} --dataset {dataset} --open",
    }


def rule_of(rule: Mapping[str, Any]) -> Rule:
    """A rule with its bar, which goes from zero to the value; the mark is at the bound."""
    value, bound = rule.get("value"), rule.get("bound")
    known = [number for number in (value, bound) if formatting.is_number(number)]
    place = _scale(known)
    zero, end = place(0.0), place(value if formatting.is_number(value) else 0.0)
    return Rule(
        name=formatting.rule(str(rule.get("name", ""))),
        value=formatting.measure(value),
        bound=formatting.measure(bound),
        passed=bool(rule.get("passed")),
        reason=str(rule.get("reason", "")),
        start=min(zero, end),
        filled=round(abs(end - zero), 1),
        mark=place(bound if formatting.is_number(bound) else 0.0),
    )


def example_of(example: Mapping[str, Any]) -> Example:
    """The lists of one user that are there, under the words for them."""
    headings = {
        "liked": "rated highest",
        "recommended": "recommended now",
        "champion": "by the champion",
    }
    lists = {
        heading: tuple(film_of(movie) for movie in example[name])
        for name, heading in headings.items()
        if example.get(name)
    }
    return Example(str(example.get("user_id", "")), lists)


def film_of(movie: Mapping[str, Any]) -> Film:
    """A title with its genres, and the stars where it is a rating."""
    genres = ", ".join(str(genre) for genre in movie.get("genres") or [])
    stars = f"{movie['rating']:g} stars" if formatting.is_number(movie.get("rating")) else ""
    return Film(str(movie.get("title", "")), "; ".join(part for part in (stars, genres) if part))


def _rules(facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return (facts.get("gate") or {}).get("rules") or []


def _named(failure: Mapping[str, Any]) -> str:
    return f"{failure.get('step')}: {failure.get('failure')}"


def _scale(numbers: Sequence[float]) -> Callable[[float], float]:
    """From a number to its place in per cent of a bar that holds zero, the numbers and some air."""
    low, high = 1.2 * min(0.0, *numbers, 0.0), 1.2 * max(0.0, *numbers, 0.0)
    width = high - low or 1.0
    return lambda number: round(100 * (number - low) / width, 1)


@cache
def template(name: str = "report.html") -> Template:
    """Everything that goes into a page is escaped, but the plots, which are made here."""
    environment = Environment(
        loader=PackageLoader("recsys_tasks.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
