"""Each measure of whole lists is its formula, worked out item by item."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from recsys_tasks.config.settings import EvaluateSettings, GateRule, GateSettings
from recsys_tasks.evaluation.beyond_accuracy import (
    SMOOTHING,
    intra_list_similarity,
    miscalibration,
    popularity_lift,
)
from recsys_tasks.evaluation.evaluate import evaluate_all
from recsys_tasks.evaluation.gate import judge
from recsys_tasks.evaluation.ranking import NOBODY
from recsys_tasks.model.representations import with_biases

CATEGORIES = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]])
HISTORIES = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]])
LISTS = np.array([[2, 4, 0], [0, 1, NOBODY], [4, NOBODY, NOBODY]], dtype=np.int32)


def listed(user):
    return [item for item in LISTS[user] if item != NOBODY]


def cosine(first, second):
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return first @ second / lengths if lengths else 0.0


def test_similarity_is_the_mean_cosine_of_the_pairs():
    found = intra_list_similarity(LISTS, sp.csr_matrix(CATEGORIES))
    for user in (0, 1):
        pairs = list(itertools.combinations(CATEGORIES[listed(user)], 2))
        assert found[user] == pytest.approx(np.mean([cosine(*pair) for pair in pairs]))
    assert found[2] == 0


def test_an_item_without_a_category_is_like_no_other():
    lists = np.array([[3, 0], [3, 3]], dtype=np.int32)
    assert intra_list_similarity(lists, sp.csr_matrix(CATEGORIES)).tolist() == [0, 0]


def test_popularity_lift_compares_lists_with_histories_of_those_who_have_both():
    counts = np.array([8, 4, 2, 1, 1])
    shown = np.mean([np.mean(counts[listed(user)]) for user in (0, 1)])
    liked = np.mean([np.mean(counts[HISTORIES[user] > 0]) for user in (0, 1)])
    found = popularity_lift(LISTS, sp.csr_matrix(HISTORIES), counts)
    assert found == pytest.approx(shown / liked - 1)
    assert popularity_lift(LISTS[2:], sp.csr_matrix(HISTORIES[2:]), counts) is None


def shares(items):
    each = [CATEGORIES[item] / max(CATEGORIES[item].sum(), 1) for item in items]
    return np.sum(each, axis=0) / np.sum(each)


def test_miscalibration_is_the_divergence_of_the_categories_of_list_and_history():
    found = miscalibration(LISTS, sp.csr_matrix(HISTORIES), sp.csr_matrix(CATEGORIES))
    expected = []
    for user in (0, 1):
        p, q = shares(np.flatnonzero(HISTORIES[user])), shares(listed(user))
        mixed = SMOOTHING * p + (1 - SMOOTHING) * q
        expected.append(sum(a * np.log(a / b) for a, b in zip(p, mixed, strict=True) if a > 0))
    assert found == pytest.approx(np.array(expected))


def test_a_list_like_its_history_is_calibrated_and_one_without_its_categories_is_not():
    lists = np.array([[0, 1], [0, 0]], dtype=np.int32)
    histories = sp.csr_matrix(np.array([[1, 1, 0, 0, 0], [0, 0, 0, 0, 1]]))
    found = miscalibration(lists, histories, sp.csr_matrix(CATEGORIES))
    assert found == pytest.approx(np.array([0.0, -np.log(SMOOTHING)]))


def test_a_rule_of_the_gate_can_bound_each_measure(fitted):
    n_items = fitted.split.train.shape[1]
    found = evaluate_all(
        with_biases(fitted.model, fitted.features),
        fitted.split,
        fitted.seen,
        EvaluateSettings(ease_megabytes=0, ials_interactions=0),
        categories=fitted.features[:, n_items:],
    ).metrics
    names = ("intra_list_similarity_at_10", "popularity_lift_at_10", "miscalibration_at_10")
    for name in names:
        value = found["test_served"][name]
        assert name in found["baselines"]["random"]["test_served"]
        for bound, passed in ((value, True), (value - 0.001, False)):
            rule = GateRule(
                name=name, metric=f"test_served.{name}", comparison="at_most", bound=bound
            )
            verdict = judge(found, {"finite": 1, "effective_rank": 9}, GateSettings(rules=(rule,)))
            assert {one.name: one.passed for one in verdict.rules}[name] is passed
    popular, chance = (
        found["baselines"][name]["test_served"]["popularity_lift_at_10"]
        for name in ("popular", "random")
    )
    assert popular > 0 > chance
