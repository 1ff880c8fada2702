"""The gate judges every rule, and nothing that is not a number passes."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.model.quality_gate import judge
from recsys_tasks.settings import GateSettings

GOOD = {
    "test_served": {"precision_at_5": 0.14, "coverage_at_10": 0.05},
    "baselines": {"popular": {"test_served": {"precision_at_5": 0.1}}},
}
HEALTHY = {"finite": 1.0, "effective_rank": 20.0}


def judged(**changes):
    metrics, facts = copy.deepcopy(GOOD), dict(HEALTHY)
    facts |= {key: value for key, value in changes.items() if key in facts}
    metrics["test_served"] |= {key: value for key, value in changes.items() if key not in facts}
    return judge(metrics, facts, GateSettings())


def failed(verdict):
    return [rule.name for rule in verdict.rules if not rule.passed]


def test_a_good_candidate_is_accepted():
    assert judged().accepted
    assert not judged().reasons()


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"precision_at_5": 0.04}, ["min_precision", "min_popular_ratio"]),
        ({"precision_at_5": 0.104}, ["min_popular_ratio"]),
        ({"coverage_at_10": 0.0001}, ["max_never_shown"]),
        ({"effective_rank": 1.0}, ["effective_rank"]),
        ({"finite": 0.0}, ["finite_embeddings"]),
    ],
)
def test_each_rule_rejects_and_the_others_are_still_judged(change, rules):
    verdict = judged(**change)
    assert failed(verdict) == rules
    assert not verdict.accepted
    assert len(verdict.rules) == 5


@pytest.mark.parametrize("value", [float("nan"), None])
def test_what_is_not_a_number_fails_and_is_recorded_as_nothing(value):
    verdict = judged(precision_at_5=value)
    assert failed(verdict) == ["min_precision", "min_popular_ratio"]
    assert {rule.name: rule.value for rule in verdict.rules}["min_precision"] is None


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_precision_passes_only_from_its_floor_up(value):
    passed = {rule.name: rule.passed for rule in judged(precision_at_5=value).rules}
    assert passed["min_precision"] == (value >= 0.05)


def test_reasons_give_the_numbers():
    (reason,) = judged(precision_at_5=0.104).reasons()
    assert reason == (
        "precision@5 as served over the popular list's 0.1 is only 1.04, must be at least 1.05"
    )


def test_the_document_is_the_manifests_gate():
    document = judged().document()
    assert document["accepted"] is True
    assert {"name", "value", "bound", "passed"} <= set(document["rules"][0])
