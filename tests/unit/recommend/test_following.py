"""A service follows the champion in the background, and never serves a broken version."""

import threading

import pytest

from recsys_tasks.errors import ArtifactRefused, SettingsError
from recsys_tasks.recommend.following import Following

WAIT = 20


def test_it_reloads_until_it_is_stopped_and_gets_over_a_broken_version():
    turns, done = [], threading.Event()

    def reload():
        turns.append(1)
        if len(turns) < 3:
            raise ArtifactRefused("items.ann", "altered")
        done.set()
        return True

    with Following(reload, 0.001) as following:
        assert done.wait(WAIT)
    assert not following._thread.is_alive()
    following.stop()
    assert len(turns) >= 3


def test_a_recommender_answers_while_it_follows_and_its_thread_ends(recommender):
    before = set(threading.enumerate())
    with recommender.follow(0.001):
        assert recommender.recommend(1, k=1).version == recommender.version
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(recommender, seconds):
    with pytest.raises(SettingsError, match="seconds above 0"):
        recommender.follow(seconds)


@pytest.mark.parametrize("wrong", ["42", None, 4.2, True, [42]])
def test_an_id_that_is_no_whole_number_is_refused_in_words(recommender, wrong):
    asked = (
        lambda: recommender.recommend(wrong),
        lambda: recommender.similar(wrong),
        lambda: recommender.recommend_for([wrong]),
    )
    for ask in asked:
        with pytest.raises(SettingsError, match="an id is a whole number, not"):
            ask()
    with pytest.raises(SettingsError, match="k is a whole number, not"):
        recommender.recommend(1, k=wrong)


def test_it_says_what_it_is(recommender):
    assert recommender.version in repr(recommender)
    assert repr(recommender).startswith("Recommender(")
