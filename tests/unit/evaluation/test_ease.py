"""EASE from either side is the regression that its paper defines."""

import numpy as np
import pytest

from recsys_tasks.errors import TrainingRefused
from recsys_tasks.evaluation.ease import ease_bytes, fit_ease
from recsys_tasks.matrices.interactions import Interactions


def random_interactions(n_users, n_items, seed=0):
    """Each user likes about a third of the items but the last, which nobody does."""
    generator = np.random.default_rng(seed)
    liked = generator.random((n_users, n_items)) < 0.35
    liked[:, -1] = False
    row, col = (side.astype(np.int32) for side in np.nonzero(liked))
    n = len(row)
    weight = generator.choice([0.5, 1.0], n).astype(np.float32)
    return Interactions(
        (n_users, n_items), row, col, weight, weight == 1, np.zeros(n, dtype=np.int64)
    )


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
