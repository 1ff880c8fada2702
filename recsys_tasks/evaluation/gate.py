"""The quality gate: rules with bounds, each with its reason in words.

A rule is data: what is measured, on which side of which bound it must be. The settings' own bounds
make the first rules, ``gate.rules`` adds others, a champion adds one more. All are judged, also after
one has failed, and what is not a number fails.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsys_tasks.config.settings import GateRule, GateSettings
from recsys_tasks.evaluation.finalised import FinalisedFound

INDEX_RULES = ("min_index_recall", "max_index_latency")
"""Judged once there is an index."""

FINALISED_RULES = ("finite_finalised", "min_finalised_rank", "min_finalised_overlap")
"""Judged once there is a finalised model."""

POPULAR = ("popular", "recent")
"""Baselines that are one list for everyone; the better one is the floor."""


@dataclass(frozen=True)
class RuleResult:
    """One rule, judged."""

    name: str
    """the setting's name, or the rule's"""
    value: float | None
    """what was measured; None where there is nothing to measure or it is not a number"""
    bound: float
    """what it was held against"""
    passed: bool
    reason: str
    """one sentence with the numbers"""


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a candidate."""

    accepted: bool
    rules: tuple[RuleResult, ...]

    def reasons(self) -> tuple[str, ...]:
        """A sentence for each rule that failed."""
        return tuple(rule.reason for rule in self.rules if not rule.passed)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Verdict":
        """The verdict that ``document`` described."""
        return cls(document["accepted"], tuple(RuleResult(**rule) for rule in document["rules"]))

    def document(self) -> dict[str, Any]:
        """The manifest's ``gate``."""
        return {"accepted": self.accepted, "rules": [asdict(rule) for rule in self.rules]}


def judge(
    metrics: Mapping[str, Any],
    facts: Mapping[str, float],
    settings: GateSettings,
) -> Verdict:
    """Holds a candidate against every rule.

    Args:
        metrics: ``Evaluation.metrics``; with ``champion``, where there is one to compare with.
        facts: ``embedding_facts``.
        settings: the bounds and further rules.

    A metric that is missing, misspelt or not a number fails its rule.
    """
    results = [*_of_vectors(facts, settings), *_of_metrics(metrics, settings)]
    results += [_of_rule(metrics, rule) for rule in settings.rules]
    results += _of_champion(metrics.get("champion", {}), settings)
    results += _of_anchor(metrics.get("anchor", {}), settings)
    return Verdict(all(result.passed for result in results), tuple(results))


@dataclass(frozen=True)
class IndexFound:
    """What the search that serves found, annoy or exact, and in what time; None: not measured."""

    n_items: int
    recall_at_10: float | None
    """against a scan of all items"""
    times_scan: float | None
    """median time of a query over that of a scan in the same run"""


def with_index(verdict: Verdict, found: IndexFound, settings: GateSettings) -> Verdict:
    """The verdict with the index's rules in it, which can be judged once the index is built.

    Args:
        verdict: of the candidate; the index's rules in it, from an earlier try, are replaced.
        found: what was measured of the index.
        settings: the bounds.
    """
    return _with_rules(verdict, INDEX_RULES, _of_index(found, settings))


def with_finalised(verdict: Verdict, found: FinalisedFound, settings: GateSettings) -> Verdict:
    """The verdict with the finalised model's rules in it.

    Args:
        verdict: of the judged model; the finalised model's rules in it, from an earlier try, are replaced.
        found: what was measured of the finalised model.
        settings: the bounds.
    """
    return _with_rules(verdict, FINALISED_RULES, _of_finalised(found, settings))


def _with_rules(verdict: Verdict, names: tuple[str, ...], judged: Iterator[RuleResult]) -> Verdict:
    """The verdict with these rules in the place of any earlier ones of these names."""
    kept = (other for other in verdict.rules if other.name not in names)
    rules = (*kept, *judged)
    return Verdict(all(each.passed for each in rules), rules)


def _of_finalised(found: FinalisedFound, settings: GateSettings) -> Iterator[RuleResult]:
    """A model that is not the judged one with more known, but another one."""
    what = "share of finite embeddings of the finalised model"
    yield _at_least("finite_finalised", found.finite, 1.0, what)
    bound, what = settings.min_finalised_rank, "its effective rank over the judged model's"
    yield _at_least("min_finalised_rank", found.rank_ratio, bound, what)
    what = f"share of {found.users} users' judged top tens that it keeps"
    yield _at_least("min_finalised_overlap", found.overlap, settings.min_finalised_overlap, what)


def _of_index(found: IndexFound, settings: GateSettings) -> Iterator[RuleResult]:
    """A search that misses too much, or that takes longer than a scan of all items."""
    what = "recall@10 of the search against a scan of all items"
    yield _at_least("min_index_recall", found.recall_at_10, settings.min_index_recall, what)
    if found.n_items >= settings.index_latency_from:
        bound = settings.max_index_latency
        what = f"the search's time for a query over a scan's, rounded up to times {bound:g},"
        yield _at_most("max_index_latency", _rounded_up(found.times_scan, bound), bound, what)


def _rounded_up(ratio: float | None, bound: float) -> float | None:
    """In whole bounds: two measurements of one index differ, but its verdict is written into a version."""
    if ratio is None or not np.isfinite(ratio):
        return None
    return max(1, math.ceil(ratio / bound)) * bound


def _of_vectors(facts: Mapping[str, float], settings: GateSettings) -> Iterator[RuleResult]:
    """Vectors that cannot be what a fit was meant to give."""
    yield _at_least("finite_embeddings", facts["finite"], 1.0, "share of finite embeddings")
    if settings.min_effective_rank > 0:
        yield _at_least(
            "min_effective_rank",
            facts["effective_rank"],
            settings.min_effective_rank,
            "effective rank of the item vectors",
        )


def _of_metrics(metrics: Mapping[str, Any], settings: GateSettings) -> Iterator[RuleResult]:
    """Lists that are not good enough, or the same for everyone."""
    precision = _found(metrics, "test_served.precision_at_5")
    lists = [_found(metrics, f"baselines.{name}.test_served.precision_at_5") for name in POPULAR]
    there = [found for found in lists if found is not None]
    popular = float(np.max(there)) if there else None  # NaN stays NaN, which fails
    yield _at_least("min_precision", precision, settings.min_precision, "precision@5 as served")
    yield _at_least(
        "min_popular_ratio",
        _ratio(precision, popular),
        settings.min_popular_ratio,
        f"precision@5 as served over the better popular list's {_in_words(popular)}",
    )
    coverage = _found(metrics, "test_served.coverage_at_10")
    never_shown = None if coverage is None else 1.0 - coverage
    what = "share of the catalogue in no top 10"
    yield _at_most("max_never_shown", never_shown, settings.max_never_shown, what)


def _of_rule(metrics: Mapping[str, Any], rule: GateRule) -> RuleResult:
    """A rule from the settings."""
    path = f"slices.{rule.slice}.{rule.metric}" if rule.slice else rule.metric
    side = _at_least if rule.comparison == "at_least" else _at_most
    return side(rule.name, _found(metrics, path), rule.bound, path)


def _of_champion(champion: Mapping[str, Any], settings: GateSettings) -> Iterator[RuleResult]:
    """Rules against the champion, where a ``Comparison`` was made.

    The candidate fails where it is surely worse: where even the interval's upper end is a loss.
    """
    gap = champion.get("precision_at_5")
    if gap is None:
        return
    yield _at_least(
        "max_champion_loss",
        gap["high"],
        -settings.max_champion_loss,
        f"precision@5 as served less the champion's: {gap['difference']:+.4f} "
        f"[{gap['low']:+.4f}, {gap['high']:+.4f}] over {gap['users']} users; its upper end",
    )
    what = "share of users whose top 10 changed by more than half against the champion"
    yield _at_most("max_churn", champion["churn"], settings.max_churn, what)


def _of_anchor(anchor: Mapping[str, Any], settings: GateSettings) -> Iterator[RuleResult]:
    """The rule against the champion of some weeks ago, where a ``Comparison`` was made."""
    gap = anchor.get("precision_at_5")
    if gap is None:
        return
    yield _at_least(
        "max_anchor_loss",
        gap["high"],
        -settings.max_anchor_loss,
        f"precision@5 as served less that of {anchor['version']}, champion {anchor['days']} days ago: "
        f"{gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}] over {gap['users']} users; "
        "its upper end",
    )


def _found(metrics: Mapping[str, Any], path: str) -> float | None:
    """The number at a dotted path; None where there is none. A slice's name may hold a dot."""
    *parents, name = path.split(".")
    if parents[:1] == ["slices"]:
        parents = ["slices", ".".join(parents[1:])]
    parent = _walk(metrics, parents)
    value = parent.get(name) if isinstance(parent, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _walk(metrics: Mapping[str, Any], parts: list[str]) -> Any:
    place: Any = metrics
    for part in parts:
        place = place.get(part) if isinstance(place, Mapping) else None
    return place


def _at_least(name: str, value: float | None, bound: float, what: str) -> RuleResult:
    """Passes from the bound up; NaN and nothing fail."""
    passed = value is not None and value >= bound
    return _result(name, value, bound, passed, what, "at least")


def _at_most(name: str, value: float | None, bound: float, what: str) -> RuleResult:
    """Passes up to the bound; NaN and nothing fail."""
    passed = value is not None and value <= bound
    return _result(name, value, bound, passed, what, "at most")


def _result(
    name: str, value: float | None, bound: float, passed: bool, what: str, side: str
) -> RuleResult:
    is_number = value is not None and bool(np.isfinite(value))
    verb = "is only" if is_number and not passed and side == "at least" else "is"
    reason = f"{what} {verb} {_in_words(value)}, must be {side} {bound:.4g}"
    return RuleResult(name, value if is_number else None, bound, passed and is_number, reason)


def _ratio(value: float | None, base: float | None) -> float | None:
    """Value over base; a base that found nothing counts as one in a billion."""
    return None if value is None or base is None else value / max(base, 1e-9)


def _in_words(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"
