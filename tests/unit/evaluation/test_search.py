"""The search: which settings it tries, and that the best on validation wins."""

import pytest

from recsys_tasks.config.settings import TuneSettings
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


def distinct(proposed):
    return {tuple(sorted(overrides.items())) for overrides in proposed}


def test_a_grid_tries_every_combination_once():
    proposed = trials(TuneSettings(method="grid", **SMALL))
    assert len(proposed) == len(distinct(proposed)) == 8


def test_a_grid_over_its_bound_is_refused_with_its_size():
    with pytest.raises(SettingsError, match=r"8 points and tune\.trials allows 7"):
        trials(TuneSettings(method="grid", trials=7, **SMALL))


def test_a_random_search_tries_that_many_different_combinations_and_repeats_itself():
    space = TuneSettings(trials=5, **SMALL)
    proposed = trials(space)
    assert len(proposed) == len(distinct(proposed)) == 5
    assert trials(space) == proposed
    assert trials(space.model_copy(update={"seed": 43})) != proposed


def test_a_random_search_over_a_small_space_tries_all_of_it():
    assert len(trials(TuneSettings(trials=100, **SMALL))) == 8


def test_the_highest_score_wins_the_earlier_of_equals_and_never_nan():
    tried = [
        Trial({"train.components": components}, score, 1, 0.1)
        for components, score in ((8, float("nan")), (16, 0.2), (32, 0.3), (64, 0.3))
    ]
    assert winner(tried).overrides == {"train.components": 32}
    with pytest.raises(SettingsError, match="no trial"):
        winner(tried[:1])
