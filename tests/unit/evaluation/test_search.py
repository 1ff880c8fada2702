"""The search: which settings it tries, and that the best on validation wins."""

import pytest

from recsys_tasks.config.settings import Settings
from recsys_tasks.errors import SettingsError
from recsys_tasks.evaluation.search import Trial, trials, winner

SMALL = {
    "components": (8, 16),
    "learning_rate": (0.05,),
    "max_sampled": (10, 20),
    "item_alpha": (0.0,),
    "user_alpha": (0.0,),
    "genres": (True, False),
}


def searching(engine="warp", **tune):
    lists = {f"tune.{name}": values for name, values in (SMALL | tune).items()}
    return Settings.load(overrides=lists | {"train.engine": engine})


def distinct(proposed):
    return {tuple(sorted(overrides.items())) for overrides in proposed}


def test_a_grid_tries_every_combination_once():
    proposed = trials(searching(method="grid"))
    assert len(proposed) == len(distinct(proposed)) == 8


def test_a_grid_over_its_bound_is_refused_with_its_size():
    with pytest.raises(SettingsError, match=r"8 points and tune\.trials allows 7"):
        searching(method="grid", trials=7)


def test_a_random_search_tries_that_many_different_combinations_and_repeats_itself():
    proposed = trials(searching(trials=5))
    assert len(proposed) == len(distinct(proposed)) == 5
    assert trials(searching(trials=5)) == proposed
    assert trials(searching(trials=5, seed=43)) != proposed


def test_a_random_search_over_a_small_space_tries_all_of_it():
    assert len(trials(searching(trials=100))) == 8


@pytest.mark.parametrize(
    ("engine", "searched", "not_searched"),
    [
        ("recsys", {"train.components"}, {"train.ridge_svd.ridge", "train.blend.warp_weight"}),
        ("ridge-svd", {"train.ridge_svd.ridge", "train.ridge_svd.components"}, {"train.components"}),
        ("blend", {"train.components", "train.ridge_svd.item_factor", "train.blend.warp_weight"}, set()),
        ("auto", {"train.components", "train.ridge_svd.dropout"}, {"train.blend.warp_weight"}),
    ],
)  # fmt: skip
def test_a_search_tries_what_the_engine_has(engine, searched, not_searched):
    proposed = trials(searching(engine, trials=3))
    assert len(proposed) == len(distinct(proposed)) == 3
    for overrides in proposed:
        assert searched <= set(overrides)
        assert not not_searched & set(overrides)


def test_the_highest_score_wins_the_earlier_of_equals_and_never_nan():
    tried = [
        Trial({"train.components": components}, score, 1, 0.1)
        for components, score in ((8, float("nan")), (16, 0.2), (32, 0.3), (64, 0.3))
    ]
    assert winner(tried).overrides == {"train.components": 32}
    with pytest.raises(SettingsError, match="no trial"):
        winner(tried[:1])
