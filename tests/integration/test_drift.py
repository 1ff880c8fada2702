"""A feed that goes wrong in silence is refused, against the champion's data."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import DataCheckFailed
from recsys_tasks.matrices.ids import IdMaps
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.run_champion import RunChampion
from recsys_tasks.pipeline.steps import Steps

pytestmark = pytest.mark.services

MONDAY = datetime(2026, 9, 7, 12, tzinfo=UTC)
Rows = list[tuple[int, int, float, int]]


def weeks(count: int, without: int | None = None, first: int = 1) -> Rows:
    """Forty users rate the day's movie, five stars; ``without``: this day of the week is lost."""
    return [
        (first + user, 1 + day, 5.0, int((MONDAY + timedelta(days=day)).timestamp()) + user)
        for day in range(7 * count)
        if day % 7 != without
        for user in range(40)
    ]


def night(
    database: Database, bucket: StoreAccess, folder: Path, name: str, rows: Rows, **checks: float
) -> Steps:
    """A night's steps up to the data's checks, its feed a snapshot in a file of this name."""
    movies, ratings = folder / "movies.csv", folder / f"{name}.csv"
    with movies.open("w", newline="") as file:
        catalogue = [(movie, f"Movie {movie}", "Drama") for movie in range(1, 71)]
        csv.writer(file).writerows([("movieId", "title", "genres"), *catalogue])
    with ratings.open("w", newline="") as file:
        csv.writer(file).writerows([("userId", "movieId", "rating", "timestamp"), *rows])
    given = {
        "dataset": "mls",
        "source.movies": str(movies),
        "source.ratings": str(ratings),
        "source.replace": True,
        **{f"checks.{name}": value for name, value in checks.items()},
    }
    run = Run("mls", "recsys_train", name, datetime(2026, 11, 24, 3, tzinfo=UTC))
    steps = Steps(Settings.load("quick", overrides=given), run, database, ObjectStore(bucket))
    steps.ingest()
    return steps


@pytest.fixture
def champion(
    database: Database, bucket: StoreAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Steps:
    """The night whose data every later one is held against."""
    steps = night(database, bucket, tmp_path, "first", weeks(8))
    steps.fit_dataset()
    data, theirs = steps.files.get_json("data.json"), steps.data.ids()
    monkeypatch.setattr(RunChampion, "manifest", lambda self: {"data": data})

    class Published:
        def ids(self) -> IdMaps:
            return theirs

    monkeypatch.setattr(RunChampion, "champion", lambda self: Published())
    return steps


def refused(steps: Steps) -> str:
    with pytest.raises(DataCheckFailed) as stopped:
        steps.fit_dataset()
    return "; ".join(stopped.value.reasons)


def test_yesterdays_file_under_another_name_is_refused_where_new_ratings_are_asked_for(
    champion: Steps, database: Database, bucket: StoreAccess, tmp_path: Path
) -> None:
    again = night(database, bucket, tmp_path, "again", weeks(8)[::-1], min_new_ratings=1)
    assert refused(again) == "the new ratings is 0, must be at least 1"
    more = night(database, bucket, tmp_path, "more", weeks(9), min_new_ratings=1)
    more.fit_dataset()
    found = {check["name"]: check["value"] for check in more.files.get_json("checks.json")}
    assert found["new_ratings"] == 40 * 7


def test_a_feed_that_loses_a_day_of_the_week_is_refused(
    champion: Steps, database: Database, bucket: StoreAccess, tmp_path: Path
) -> None:
    lost = night(database, bucket, tmp_path, "lost", weeks(8, without=2))
    assert refused(lost).startswith("the weekday drift is 1.")
    tolerated = {"max_weekday_drift": 5, "max_silent_days": 3}
    lost = night(database, bucket, tmp_path, "still lost", weeks(8, without=2), **tolerated)
    assert refused(lost) == "the silent days is 4, must be at most 3"


def test_ratings_that_thin_out_are_refused_where_a_floor_is_given(
    champion: Steps, database: Database, bucket: StoreAccess, tmp_path: Path
) -> None:
    whole = weeks(8)
    thin = [row for row in whole if row[3] < whole[-1][3] - 28 * 86_400 or row[0] % 4 == 0]
    kept = night(database, bucket, tmp_path, "thin", thin, min_daily_of_champion=0.5)
    assert "the ratings a day as a share of the champion's is 0.2" in refused(kept)


def test_ids_that_name_others_now_are_refused(
    champion: Steps, database: Database, bucket: StoreAccess, tmp_path: Path
) -> None:
    renumbered = night(database, bucket, tmp_path, "renumbered", weeks(8, first=5001))
    assert refused(renumbered) == "the known users is 0, must be at least 0.5"


def test_a_usual_night_passes_every_check(
    champion: Steps, database: Database, bucket: StoreAccess, tmp_path: Path
) -> None:
    usual = night(database, bucket, tmp_path, "usual", weeks(9), max_silent_days=0)
    usual.fit_dataset()
    found = {check["name"]: check["value"] for check in usual.files.get_json("checks.json")}
    assert found["weekday_drift"] < 0.01
    assert found["known_users"] == found["known_items"] == 1
    assert found["ratings_a_day_of_champion"] == 1
