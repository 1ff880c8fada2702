"""EASE from either side is the regression that its paper defines."""

import numpy as np
import pytest
from small_interactions import random_interactions

from recsys_tasks.errors import TrainingRefused
from recsys_tasks.evaluation.ease import ease_bytes, fit_ease


@pytest.mark.parametrize(("n_users", "n_items"), [(40, 9), (7, 30)])
def test_scores_are_those_of_each_item_regressed_on_the_others(n_users, n_items):
    train = random_interactions(n_users, n_items)
    x = train.weights().toarray().astype(np.float64)
    expected = np.empty_like(x)
    for item in range(n_items):
        others = np.delete(x, item, axis=1)
        gram = others.T @ others + 3 * np.eye(n_items - 1)
        expected[:, item] = others @ np.linalg.solve(gram, others.T @ x[:, item])
    scores = fit_ease(train, l2=3).scores(np.arange(n_users, dtype=np.int32))
    trained = x.any(axis=0)
    assert scores[:, trained] == pytest.approx(expected[:, trained], abs=1e-4)


def test_an_item_never_trained_on_comes_last():
    train = random_interactions(40, 9)
    scores = fit_ease(train, l2=3).scores(np.arange(40, dtype=np.int32))
    assert (scores[:, -1] < scores[:, :-1].min(axis=1)).all()


def test_memory_follows_the_smaller_side():
    few_users, few_items = random_interactions(7, 30), random_interactions(40, 9)
    assert ease_bytes(few_users) == 8 * 7 * len(np.unique(few_users.col))
    assert ease_bytes(few_items) == 8 * 8 * 8


def test_a_gram_matrix_that_float32_cannot_factor_is_refused():
    train = random_interactions(40, 9)
    with pytest.raises(TrainingRefused, match="positive definite"):
        fit_ease(train, l2=-100)
