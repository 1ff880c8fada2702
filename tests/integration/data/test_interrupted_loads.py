"""Loads that die, meet each other, or lose Postgres: the tables hold the state before or after."""

import csv
import multiprocessing
import random
import threading
import time
from pathlib import Path

import psycopg2
import pytest

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.ratings import RatingsReader
from recsys_tasks.data.db import postgres
from recsys_tasks.data.db.postgres import Database, lock_key
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.errors import DatabaseUnavailable

pytestmark = pytest.mark.services
DATASET = "mls"
KILLS = 10

STATE = """
    SELECT count(*), sum(hashtext(t::text)::bigint) FROM (
        SELECT user_id, movie_id, rating, rated_at FROM mls.ratings
        UNION ALL SELECT id, 0, 0, now() - now() + '2000-01-01'::timestamptz FROM mls.movies
    ) AS t
"""


def write_files(folder: Path, users: int, stars: float) -> SourceSettings:
    """A full snapshot of its own: 100 movies, each rated by each user."""
    folder.mkdir()
    movies, ratings = folder / "movies.csv", folder / "ratings.csv"
    with movies.open("w", newline="") as file:
        rows = [(movie, f"Movie {movie}", "Drama") for movie in range(1, 101)]
        csv.writer(file).writerows([("movieId", "title", "genres"), *rows])
    with ratings.open("w", newline="") as file:
        pairs = [(user, movie) for user in range(1, users + 1) for movie in range(1, 101)]
        rated = [(*pair, stars, 1_000_000_000) for pair in pairs]
        csv.writer(file).writerows([("userId", "movieId", "rating", "timestamp"), *rated])
    return SourceSettings(movies=str(movies), ratings=str(ratings), replace=True)


def state(database: Database) -> tuple[int, int]:
    return database.fetch(STATE)[0]  # type: ignore[return-value]


def start_loader(database: Database, source: SourceSettings) -> multiprocessing.Process:
    """A process that loads."""
    loader = multiprocessing.get_context("fork").Process(
        target=ingest, args=(database, source, DATASET, "test")
    )
    loader.start()
    return loader  # type: ignore[return-value]


def test_kill_9_at_random_moments_leaves_the_state_before_or_after(
    database: Database, tmp_path: Path
) -> None:
    old, new = write_files(tmp_path / "old", 300, 1.0), write_files(tmp_path / "new", 310, 2.0)
    ingest(database, new, DATASET, "test")
    after = state(database)
    begun = time.monotonic()
    ingest(database, old, DATASET, "test")
    whole = time.monotonic() - begun
    before = state(database)
    assert before != after
    moments = random.Random(7)
    for _ in range(KILLS):
        loader = start_loader(database, new)
        time.sleep(moments.uniform(0, whole))
        loader.kill()
        loader.join()
        assert state(database) in (before, after)
    ingest(database, new, DATASET, "test")
    assert state(database) == after


def test_two_loads_at_once_take_turns(database: Database, tmp_path: Path) -> None:
    sources = [
        write_files(tmp_path / "a", 200, 1.0).model_copy(update={"replace": False}),
        write_files(tmp_path / "b", 200, 1.5).model_copy(update={"replace": False}),
    ]
    accounts = []
    threads = [
        threading.Thread(
            target=lambda s=source: accounts.append(ingest(database, s, DATASET, "test"))
        )
        for source in sources
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ratings = database.read_ratings(DATASET)
    assert len(accounts) == 2
    assert len(ratings) == 20_000
    assert len(set(ratings.rating.tolist())) == 1


def test_a_load_waits_for_the_datasets_lock(database: Database, tmp_path: Path) -> None:
    source = write_files(tmp_path / "a", 2, 1.0)
    with database.advisory_lock(f"load:{DATASET}"):
        loading = threading.Thread(target=lambda: ingest(database, source, DATASET, "test"))
        loading.start()
        await_waiting(database, f"load:{DATASET}")
        assert state(database)[0] == 0
    loading.join()
    assert state(database)[0] == 300


def await_waiting(database: Database, lock: str) -> None:
    """Returns once someone waits for an advisory lock."""
    high, low = divmod(lock_key(lock) % 2**64, 2**32)
    query = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND classid::bigint = %s AND objid::bigint = %s"
    )
    deadline = time.monotonic() + 60
    while database.fetch(query, (high, low)) != [(1,)]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_postgres_breaking_off_in_the_middle_is_unavailable_and_changes_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_files(tmp_path / "a", 200, 1.0)
    read = RatingsReader.read

    def end_all_others(self: RatingsReader, block: object) -> object:
        with psycopg2.connect(database.url) as admin, admin.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        admin.close()
        return read(self, block)  # type: ignore[arg-type]

    monkeypatch.setattr(RatingsReader, "read", end_all_others)
    with pytest.raises(DatabaseUnavailable):
        ingest(database, source, DATASET, "test")
    assert state(database)[0] == 0
    monkeypatch.undo()
    assert ingest(database, source, DATASET, "test").files[1].loaded == 20_000


def test_a_database_that_is_away_is_unavailable(tmp_path: Path) -> None:
    source = write_files(tmp_path / "a", 1, 1.0)
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailable, match="Postgres"):
        ingest(away, source, DATASET, "test")


def test_an_idle_reader_holds_a_load_up_for_a_stated_time_only(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOCK_WAIT", "100ms")
    source = write_files(tmp_path / "a", 2, 1.0)
    with database.connect() as idle, idle.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {DATASET}.ratings")
        with pytest.raises(DatabaseUnavailable, match=rf"process {idle.info.backend_pid}, idle in"):
            ingest(database, source, DATASET, "test")
        assert state(database)[0] == 0
    ingest(database, source, DATASET, "test")
    assert state(database)[0] == 300
