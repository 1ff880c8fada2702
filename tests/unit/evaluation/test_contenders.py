"""Each baseline has the best of its settings by validation, or a reason why it is not measured."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from small_interactions import random_interactions

from recsys_tasks.config.settings import EvaluateSettings
from recsys_tasks.evaluation import metrics
from recsys_tasks.evaluation.baselines import DAY, popular_order, recent_order
from recsys_tasks.evaluation.contenders import EASE_L2, baselines_of, validation_parts
from recsys_tasks.evaluation.ease import fit_ease
from recsys_tasks.evaluation.ranking import rank
from recsys_tasks.matrices.split import Split


def three_parts(seed=3, n_users=200, n_items=40):
    """Train, validation and test of users who like either of two halves of the items."""
    whole, generator = random_interactions(n_users, n_items, seed), np.random.default_rng(seed)
    half = (whole.row % 2) == (whole.col % 2)
    whole = whole.take(half | (generator.random(len(whole)) < 0.2))
    days = generator.integers(0, 1000, len(whole))
    whole = replace(whole, rated_at=days * DAY)
    drawn = generator.random(len(whole))
    return Split(
        whole.take(drawn < 0.6),
        whole.take((drawn >= 0.6) & (drawn < 0.8)).positives(),
        whole.take(drawn >= 0.8).positives(),
    )


def everything(split):
    seen = sum(part.csr() for part in (split.train, split.validation, split.test))
    return sp.csr_matrix(seen, dtype=np.int8)


def test_the_penalty_of_ease_is_the_best_one_by_validation_and_then_fitted_on_all():
    split = three_parts()
    seen = everything(split)
    parts = validation_parts(split, split.validation, seen)
    worth = {
        l2: metrics.ndcg_at_k(
            rank(fit_ease(split.train, l2), parts, 0).views["test_served"], 10
        ).mean()
        for l2 in EASE_L2
    }
    assert len(set(worth.values())) > 1
    ease = baselines_of(split, seen, EvaluateSettings()).measured["ease"]
    assert worth[ease.settings["l2"]] == max(worth.values())
    users = np.arange(5, dtype=np.int32)
    expected = fit_ease(split.train_and_validation(), ease.settings["l2"])
    assert np.array_equal(ease.make().scores(users), expected.scores(users))


def test_no_choice_looks_at_the_test_part():
    split = three_parts()
    order = np.random.default_rng(1).permutation(split.test.shape[1]).astype(np.int32)
    hidden = replace(split, test=split.test.take(np.arange(0)))
    chosen, again = (
        baselines_of(each, everything(split), EvaluateSettings()).measured
        for each in (
            split,
            replace(
                split,
                test=replace(split.test, rated_at=split.test.rated_at + order[split.test.col]),
            ),
        )
    )
    assert {n: b.settings for n, b in chosen.items()} == {n: b.settings for n, b in again.items()}
    assert set(baselines_of(hidden, everything(split), EvaluateSettings()).measured) == set(chosen)


def test_without_a_validation_part_the_stated_settings_are_taken():
    split = replace(three_parts(), validation=None)
    found = baselines_of(split, sp.csr_matrix(split.train.shape, dtype=np.int8), EvaluateSettings())
    assert found.measured["ease"].settings == {"l2": 200.0}
    assert found.measured["ials"].settings == {"unobserved": 0.1, "regularisation": 0.01}
    assert found.measured["recent"].settings == {"days": 365}


def test_a_stated_penalty_is_taken_as_it_is():
    split = three_parts()
    found = baselines_of(split, everything(split), EvaluateSettings(ease_l2=7))
    assert found.measured["ease"].settings == {"l2": 7.0}


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("ials", EvaluateSettings(ials_interactions=10), "evaluate.ials_interactions, 10"),
        ("ease", EvaluateSettings(ease_megabytes=0), "evaluate.ease_megabytes, 0"),
    ],
)
def test_what_is_beyond_its_bound_is_left_out_with_the_numbers(name, settings, reason):
    split = three_parts()
    found = baselines_of(split, everything(split), settings)
    assert name not in found.measured
    assert reason in found.left_out[name]


def test_without_times_there_is_no_recently_popular_list():
    split = three_parts()
    train = replace(
        split.train_and_validation(),
        rated_at=np.zeros(len(split.train_and_validation()), dtype=np.int64),
    )
    found = baselines_of(Split(train, None, split.test), everything(split), EvaluateSettings())
    assert "recent" not in found.measured
    assert found.left_out["recent"] == "all ratings have one time"


def test_the_recently_popular_list_counts_the_last_days_then_goes_on_as_the_popular_one():
    train = three_parts().train
    order = recent_order(train, 90)
    late = train.is_positive & (train.rated_at >= train.rated_at.max() - 90 * DAY)
    counts = np.bincount(train.col[late], minlength=train.shape[1])
    assert (np.diff(counts[order]) <= 0).all()
    assert 0 < counts.sum() < train.is_positive.sum()
    without = [item for item in order if not counts[item]]
    assert without == [item for item in popular_order(train) if not counts[item]]
    assert np.array_equal(recent_order(train, 10_000), popular_order(train))
