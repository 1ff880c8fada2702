"""The gate: rules with bounds that a candidate meets or does not, each with its reason in words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from recsys_tasks.settings import GateSettings


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

    def document(self) -> dict[str, Any]:
        """The manifest's ``gate``."""
        return {"accepted": self.accepted, "rules": [asdict(rule) for rule in self.rules]}


def judge(
    metrics: Mapping[str, Any], facts: Mapping[str, float], settings: GateSettings
) -> Verdict:
    """Holds a candidate against every rule, also after one has failed.

    Args:
        metrics: ``Evaluation.metrics``.
        facts: ``embedding_facts``.
        settings: the bounds.
    """
    served = metrics["test_served"]
    precision = served.get("precision_at_5")
    popular = metrics["baselines"]["popular"]["test_served"].get("precision_at_5")
    rules = (
        _at_least("finite_embeddings", facts["finite"], 1.0, "share of finite embeddings"),
        _at_least(
            "effective_rank",
            facts["effective_rank"],
            settings.min_effective_rank,
            "effective rank of the item vectors",
        ),
        _at_least("min_precision", precision, settings.min_precision, "precision@5 as served"),
        _at_least(
            "min_popular_ratio",
            _ratio(precision, popular),
            settings.min_popular_ratio,
            f"precision@5 as served over the popular list's {_in_words(popular)}",
        ),
        _at_most(
            "max_never_shown",
            _complement(served.get("coverage_at_10")),
            settings.max_never_shown,
            "share of the catalogue in no top 10",
        ),
    )
    return Verdict(all(rule.passed for rule in rules), rules)


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
    is_number = value is not None and value == value and abs(value) != float("inf")
    verb = "is" if passed else "is only" if side == "at least" else "is"
    reason = f"{what} {verb} {_in_words(value)}, must be {side} {bound:.4g}"
    return RuleResult(name, value if is_number else None, bound, passed, reason)


def _ratio(value: float | None, base: float | None) -> float | None:
    """Value over base; any value above an all-zero base is as good as it gets."""
    if value is None or base is None:
        return None
    return value / base if base else (1e9 if value > 0 else None)


def _complement(share: float | None) -> float | None:
    return None if share is None else 1.0 - share


def _in_words(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"
