"""Data checks: a number that breaks its bound stops the run, one on the bound does not."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from recsys_tasks.config.settings import CheckSettings, PositiveSettings
from recsys_tasks.data.checks import (
    TableFacts,
    check_data,
    refuse_broken,
    stability_index,
    table_facts,
)
from recsys_tasks.data.tables import MovieTable, RatingTable
from recsys_tasks.errors import DataCheckFailed
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions_builder import InteractionsBuilder
from recsys_tasks.matrices.parts_writer import PartsWriter

NOW = 1_800_000_000


def facts_of(users: list[int], movies: list[int], stars: list[float]) -> TableFacts:
    ratings = RatingTable(
        np.array(users, np.int64),
        np.array(movies, np.int64),
        np.array(stars, np.float32),
        np.full(len(users), NOW - 86_400, np.int64),
    )
    catalogue = MovieTable(np.array([7, 8, 9], np.int64), ("a", "b", "c"), (("Drama",),) * 3)
    with TemporaryDirectory() as home:
        writer = PartsWriter(Path(home), len(catalogue), ratings=10)
        gathering = InteractionsBuilder(IdMap(catalogue.movie_id), PositiveSettings(), writer)
        gathering.take(ratings)
        return table_facts(gathering.finish().tally, threshold=5.0)


FACTS = facts_of([1, 1, 2, 3], [7, 8, 7, 7], [5.0, 4.5, 5.0, 1.0])


def broken(settings: CheckSettings, champion: dict[str, Any] | None = None) -> set[str]:
    return {r.name for r in check_data(FACTS, champion, settings, NOW) if not r.passed}


def test_the_facts_count_what_they_say() -> None:
    assert FACTS == {
        "ratings": 4,
        "users": 3,
        "items": 3,
        "positives": 2,
        "density": 4 / 9,
        "positive_share": 0.5,
        "newest_rating": NOW - 86_400,
        "unrated_movies": 1,
        "single_rating_users": 2,
        "histogram": {"1": 1, "4.5": 1, "5": 2},
        "weekdays": {"Mon": 0, "Tue": 0, "Wed": 0, "Thu": 4, "Fri": 0, "Sat": 0, "Sun": 0},
        "ratings_a_day": 4 / 28,
        "silent_days": 27,
    }


def test_empty_tables_have_facts_and_break_the_floors() -> None:
    results = check_data(facts_of([], [], []), None, CheckSettings(), NOW)
    assert {r.name for r in results if not r.passed} == {"ratings", "users", "positives"}


@pytest.mark.parametrize(
    ("bound", "name"),
    [
        ({"min_ratings": 5}, "ratings"),
        ({"min_users": 4}, "users"),
        ({"min_movies": 4}, "items"),
        ({"min_positives": 3}, "positives"),
        ({"min_density": 0.5}, "density"),
        ({"min_positive_share": 0.6}, "positive_share"),
        ({"max_positive_share": 0.4}, "positive_share"),
        ({"max_age_days": 0.5}, "newest_rating_age_days"),
        ({"max_silent_days": 26}, "silent_days"),
        ({"max_unrated_movies": 0.3}, "unrated_movies"),
        ({"max_single_rating_users": 0.6}, "single_rating_users"),
    ],
)
def test_a_broken_bound_is_named(bound: dict[str, float], name: str) -> None:
    assert broken(CheckSettings.model_validate(bound)) == {name}


def test_a_value_on_its_bound_passes() -> None:
    settings = CheckSettings(min_ratings=4, max_positive_share=0.5, max_age_days=1)
    assert broken(settings) == set()


def test_half_of_the_champions_users_is_enough_and_less_is_not() -> None:
    champion = {"ratings": 8, "users": 6, "items": 3, "positives": 4}
    assert broken(CheckSettings(), champion) == set()
    assert broken(CheckSettings(), champion | {"users": 7}) == {"users_of_champion"}


def test_ratings_that_are_given_otherwise_than_the_champions_are_a_finding() -> None:
    alike = {value: 10 * count for value, count in FACTS["histogram"].items()}
    assert stability_index(FACTS["histogram"], alike) == pytest.approx(0)
    assert stability_index({"1": 1, "5": 3}, {"1": 3, "5": 1}) == pytest.approx(math.log(3))
    champion: dict[str, Any] = {"histogram": {"0.5": 1000}}
    assert broken(CheckSettings(), champion) == {"rating_drift"}
    assert broken(CheckSettings(), {"histogram": alike}) == set()
    assert broken(CheckSettings(max_rating_drift=100), champion) == set()


WEEK = {"Mon": 150, "Tue": 150, "Wed": 150, "Thu": 150, "Fri": 150, "Sat": 150, "Sun": 150}


def test_days_of_the_week_are_compared_once_there_are_enough_ratings_on_each() -> None:
    many: TableFacts = {**FACTS, "weekdays": {**WEEK, "Wed": 0}}
    names = {r.name for r in check_data(many, {"weekdays": WEEK}, CheckSettings(), NOW)}
    assert "weekday_drift" not in names, "900 ratings are too few"
    more: TableFacts = {**FACTS, "weekdays": {**WEEK, "Wed": 0, "Sun": 400}}
    broken_now = {
        r.name for r in check_data(more, {"weekdays": WEEK}, CheckSettings(), NOW) if not r.passed
    }
    assert broken_now == {"weekday_drift"}
    one_day = {"weekdays": {**WEEK, "Mon": 0}}
    names = {r.name for r in check_data(more, one_day, CheckSettings(), NOW)}
    assert "weekday_drift" not in names, "the champion had none on Mondays itself"


def test_shares_of_the_champions_users_and_items_have_a_floor() -> None:
    known = {"users": 0.4, "items": 0.9}
    found = check_data(FACTS, None, CheckSettings(), NOW, known)
    assert {r.name for r in found if not r.passed} == {"known_users"}


def test_sudden_growth_is_a_finding_when_asked_for() -> None:
    champion = {"ratings": 1, "users": 3, "items": 3, "positives": 2}
    assert broken(CheckSettings(max_of_champion=3), champion) == {"ratings_of_champion"}


def test_a_broken_bound_stops_the_run_with_its_numbers() -> None:
    results = check_data(FACTS, {"users": 30}, CheckSettings(min_positives=3), NOW)
    with pytest.raises(DataCheckFailed) as stopped:
        refuse_broken(results)
    assert stopped.value.reasons == (
        "the number of positives is 2, must be at least 3",
        "the number of users as a share of the champion's is 0.1, must be at least 0.5",
    )


def test_nothing_stops_when_every_bound_is_kept() -> None:
    refuse_broken(check_data(FACTS, None, CheckSettings(), NOW))
