"""The gate judges every rule, and nothing that is not a number passes."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.config.settings import GateRule, GateSettings, Settings
from recsys_tasks.errors import SettingsError
from recsys_tasks.evaluation.gate import INDEX_RULES, IndexFound, Verdict, judge, with_index
from recsys_tasks.evaluation.paired import Comparison
from recsys_tasks.model.intervals import Interval

GOOD = {
    "test_served": {"precision_at_5": 0.14, "coverage_at_10": 0.05},
    "test": {"users": 0},
    "baselines": {"popular": {"test_served": {"precision_at_5": 0.1}}},
    "slices": {"users.1-4": {"users": 3, "ndcg_at_10": 0.2}, "items.cold": {"users": 0}},
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
        ({"effective_rank": 1.0}, ["min_effective_rank"]),
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
    assert passed["min_precision"] == (0.05 <= value < float("inf"))


def test_a_popular_list_that_finds_nothing_is_beaten_by_anything_but_nothing():
    metrics = copy.deepcopy(GOOD)
    metrics["baselines"]["popular"]["test_served"]["precision_at_5"] = 0.0
    assert judge(metrics, HEALTHY, GateSettings()).accepted
    metrics["test_served"]["precision_at_5"] = 0.0
    assert "min_popular_ratio" in failed(judge(metrics, HEALTHY, GateSettings(min_precision=0)))


@pytest.mark.parametrize(
    ("recent", "passes"), [(0.12, True), (0.139, False), (float("nan"), False)]
)
def test_a_model_must_beat_the_better_of_the_two_popular_lists(recent, passes):
    metrics = copy.deepcopy(GOOD)
    metrics["baselines"]["recent"] = {"test_served": {"precision_at_5": recent}}
    verdict = judge(metrics, HEALTHY, GateSettings())
    assert failed(verdict) == ([] if passes else ["min_popular_ratio"])


def test_reasons_give_the_numbers():
    (reason,) = judged(precision_at_5=0.104).reasons()
    assert reason == (
        "precision@5 as served over the better popular list's 0.1 is only 1.04, must be at least 1.05"
    )


def test_the_document_is_the_manifests_gate():
    document = judged().document()
    assert document["accepted"] is True
    assert {"name", "value", "bound", "passed"} <= set(document["rules"][0])


def ruled(**rule):
    gate = GateSettings(rules=(GateRule(name="mine", **rule),))
    return {result.name: result for result in judge(GOOD, HEALTHY, gate).rules}["mine"]


@pytest.mark.parametrize(
    ("rule", "passed"),
    [
        ({"metric": "test_served.coverage_at_10", "bound": 0.05}, True),
        ({"metric": "test_served.coverage_at_10", "bound": 0.06}, False),
        ({"metric": "test_served.coverage_at_10", "bound": 0.04, "comparison": "at_most"}, False),
        ({"metric": "ndcg_at_10", "slice": "users.1-4", "bound": 0.1}, True),
        ({"metric": "ndcg_at_10", "slice": "items.cold", "bound": 0.0}, False),
        ({"metric": "test.auc", "bound": 0.0}, False),
        ({"metric": "test_served.precison_at_5", "bound": 0.0}, False),
        ({"metric": "ndcg_at_10", "slice": "users.young", "bound": 0.0}, False),
    ],
)
def test_a_rule_of_the_settings_is_judged_and_nothing_measured_fails_it(rule, passed):
    assert ruled(**rule).passed is passed


def test_a_gate_without_a_floor_or_a_rule_is_refused():
    nothing = {"gate.min_precision": 0, "gate.min_popular_ratio": 0}
    with pytest.raises(SettingsError, match="let anything through"):
        Settings.load(overrides=nothing)
    rule = {"name": "mine", "metric": "test.auc", "bound": 0.6}
    assert Settings.load(overrides=nothing | {"gate.rules": [rule]}).gate.rules[0].bound == 0.6


def versus(high, churn=0.2):
    comparison = Comparison(Interval(high - 0.01, high - 0.02, high, 395), churn, (7,))
    gate = GateSettings(max_champion_loss=0.01, max_churn=0.5)
    return judge(GOOD | {"champion": comparison.document()}, HEALTHY, gate).rules[-2:]


def test_a_candidate_surely_worse_than_the_champion_fails():
    assert versus(-0.005)[0].passed
    rule = versus(-0.011)[0]
    assert (rule.name, rule.passed) == ("max_champion_loss", False)
    assert "over 395 users" in rule.reason


def test_a_loss_that_was_tolerated_every_night_fails_against_the_champion_of_weeks_ago():
    def compared(high):
        return Comparison(Interval(high - 0.01, high - 0.02, high, 395), 0.2, (7,)).document()

    anchor = {"version": "20261027T030000Z-0000000a", "days": 28}
    gate = GateSettings(max_champion_loss=0.01, max_anchor_loss=0.01)
    for high, passed in ((-0.009, True), (-0.011, False)):
        found = GOOD | {"champion": compared(-0.005), "anchor": anchor | compared(high)}
        verdict = judge(found, HEALTHY, gate)
        assert verdict.accepted is passed
        assert verdict.rules[-1].name == "max_anchor_loss"
        assert "20261027T030000Z-0000000a, champion 28 days ago" in verdict.rules[-1].reason
    none = GOOD | {"anchor": {"version": None, "days": 28, "not_compared": "there is none"}}
    assert "max_anchor_loss" not in {rule.name for rule in judge(none, HEALTHY, gate).rules}


def test_a_champion_that_could_not_be_compared_with_adds_no_rule():
    metrics = GOOD | {"champion": {"version": None, "not_compared": "there is no champion yet"}}
    assert len(judge(metrics, HEALTHY, GateSettings()).rules) == 5


def test_a_candidate_that_turns_too_many_lists_over_fails():
    assert versus(0.01, churn=0.5)[1].passed
    assert not versus(0.01, churn=0.51)[1].passed


def with_an_index(verdict, recall=0.99, times_scan=0.1, n_items=62_423, **bounds):
    return with_index(verdict, IndexFound(n_items, recall, times_scan), GateSettings(**bounds))


@pytest.mark.parametrize(("recall", "accepted"), [(0.95, True), (0.5, False), (None, False)])
def test_an_index_that_finds_too_little_is_rejected_and_judged_anew_on_a_retry(recall, accepted):
    first = with_an_index(judged(), 0.1)
    verdict = with_an_index(first, recall)
    assert not first.accepted
    assert verdict.accepted is accepted
    names = [rule.name for rule in verdict.rules]
    assert [names.count(name) for name in INDEX_RULES] == [1, 1]


@pytest.mark.parametrize("ratio", [1.01, 40.0, float("nan"), float("inf"), None])
def test_an_index_slower_than_exact_search_is_rejected_where_the_catalogue_is_large(ratio):
    assert failed(with_an_index(judged(), times_scan=ratio)) == ["max_index_latency"]
    assert with_an_index(judged(), times_scan=ratio, n_items=19_999).accepted
    assert not with_an_index(judged(), times_scan=ratio, n_items=9, index_latency_from=9).accepted


@given(st.floats(1e-3, 0.5), st.floats(1e-3, 0.5))
def test_two_timings_of_an_index_that_passes_give_the_same_verdict(one, other):
    first, second = (
        with_an_index(judged(), times_scan=t, max_index_latency=0.5) for t in (one, other)
    )
    assert first == second
    assert first.accepted


def test_a_verdict_comes_back_from_its_document():
    verdict = judged(precision_at_5=0.01)
    assert Verdict.of(verdict.document()) == verdict
