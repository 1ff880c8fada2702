"""The quick ways of loading a snapshot end in the same tables as staging it whole."""

import csv
import random
from pathlib import Path

import pytest

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load import difference, merge
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.data.load.ratings_load import RatingsLoad

pytestmark = pytest.mark.services
USERS, MOVIES, START = 400, 60, 1_000_000_000

Table = dict[tuple[int, int], tuple[float, int]]


def snapshots(seed: int) -> list[Table]:
    """A day's ratings and the next day's: users gone and come, ratings gone, changed and added."""
    draw = random.Random(seed)
    day: Table = {
        (user, movie): (draw.randint(1, 10) / 2, START + draw.randrange(1000))
        for user in range(2, USERS)
        for movie in range(1, MOVIES)
        if draw.random() < 0.3
    }
    gone = {user for user in range(2, USERS) if draw.random() < 0.05} | {2, USERS - 1}
    following = {pair: value for pair, value in day.items() if pair[0] not in gone}
    for pair in draw.sample(sorted(following), 60):
        following[pair] = (draw.randint(1, 10) / 2, following[pair][1] + draw.randrange(2))
    for pair in draw.sample(sorted(following), 60):
        del following[pair]
    added = {(1, 5): (3.0, START), (USERS + 7, 1): (4.0, START), (3, MOVIES): (1.0, START)}
    return [day, following | added]


def write(folder: Path, name: str, table: Table) -> SourceSettings:
    movies, ratings = folder / "movies.csv", folder / f"{name}.csv"
    with movies.open("w", newline="") as file:
        rows = [(movie, f"Movie {movie}", "Drama") for movie in range(1, MOVIES + 1)]
        csv.writer(file).writerows([("movieId", "title", "genres"), *rows])
    with ratings.open("w", newline="") as file:
        lines = [(*pair, *table[pair]) for pair in sorted(table)]
        csv.writer(file).writerows([("userId", "movieId", "rating", "timestamp"), *lines])
    return SourceSettings(movies=str(movies), ratings=str(ratings), replace=True)


def contents(database: Database, dataset: str) -> tuple[object, ...]:
    present = f"SELECT user_id, movie_id, rating, rated_at, file_id FROM {dataset}.ratings"
    past = f"SELECT user_id, movie_id, rating, rated_at, file_id FROM {dataset}.ratings_history"
    return tuple(database.fetch(f"{query} ORDER BY 1, 2") for query in (present, past))


@pytest.mark.parametrize("seed", [1, 2])
def test_applying_the_difference_ends_as_staging_the_whole(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    day, following = snapshots(seed)
    database.migrate("whole")
    for name, table in (("day", day), ("following", following)):
        source = write(tmp_path, name, table)
        quick = ingest(database, source, "mls", "test")
        with monkeypatch.context() as patched:
            patched.setattr(RatingsLoad, "_apply_difference", lambda *_: False)
            whole = ingest(database, source, "whole", "test")
        assert quick == whole
    assert contents(database, "mls") == contents(database, "whole")
    assert len(database.read_ratings("mls")) == len(following)


def test_a_snapshot_that_lacks_too_much_is_staged_whole(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(difference, "MOST_ROWS", 50)
    day, _ = snapshots(3)
    ingest(database, write(tmp_path, "day", day), "mls", "test")
    few = {pair: value for pair, value in day.items() if pair[0] < 5}
    account = ingest(database, write(tmp_path, "few", few), "mls", "test")
    assert account.files[1].loaded == len(database.read_ratings("mls")) == len(few)


def test_a_snapshot_out_of_order_is_staged_whole(database: Database, tmp_path: Path) -> None:
    day, following = snapshots(4)
    ingest(database, write(tmp_path, "day", day), "mls", "test")
    source = write(tmp_path, "following", following)
    path = Path(source.ratings)
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows, rows[0]]))
    account = ingest(database, source, "mls", "test")
    assert (account.files[1].loaded, account.files[1].duplicate) == (len(following), 1)
    assert len(database.read_ratings("mls")) == len(following)


def test_a_change_of_many_rows_does_not_wait_for_its_own_reading(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many rows take the reference off, which needs the table to itself."""
    monkeypatch.setattr(merge, "BULK_ROWS", 1)
    impatient = Database(f"{database.url}?options=-c%20lock_timeout%3D10s")
    day, following = snapshots(5)
    for name, table in (("day", day), ("following", following)):
        ingest(impatient, write(tmp_path, name, table), "mls", "test")
    assert len(database.read_ratings("mls")) == len(following)


@pytest.mark.parametrize("in_order", [True, False])
def test_a_snapshot_that_changes_much_becomes_a_new_generation_with_the_same_rows_and_past(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_order: bool
) -> None:
    day, following = snapshots(6)
    ingest(database, write(tmp_path, "day", day), "mls", "test")
    monkeypatch.setattr(difference, "FEW_ROWS", 0)
    monkeypatch.setattr(merge, "FEW_ROWS", 0)
    source = write(tmp_path, "following", following)
    if not in_order:
        header, *rows = Path(source.ratings).read_text().splitlines()
        Path(source.ratings).write_text("\n".join([header, *reversed(rows)]))
    account = ingest(database, source, "mls", "test")
    assert account.files[1].loaded == len(following)
    present, past = ({row[:2]: row[2:4] for row in rows} for rows in contents(database, "mls"))
    assert {pair: float(value[0]) for pair, value in present.items()} == {
        pair: value[0] for pair, value in following.items()
    }
    assert past.keys() == day.keys()
