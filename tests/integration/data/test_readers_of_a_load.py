"""A load that waits for a table to itself lets readers pass, and keeps little in memory."""

import csv
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.ratings import RatingsReader
from recsys_tasks.data.db import postgres
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.ingest import ingest

pytestmark = pytest.mark.services
DATASET = "mls"


def write_files(
    folder: Path, ratings: list[tuple[int, int, float, int]], movies: int = 100
) -> SourceSettings:
    catalogue, rated = folder / "movies.csv", folder / "ratings.csv"
    with catalogue.open("w", newline="") as file:
        rows = [(movie, f"Movie {movie}", "Drama") for movie in range(1, movies + 1)]
        csv.writer(file).writerows([("movieId", "title", "genres"), *rows])
    with rated.open("w", newline="") as file:
        csv.writer(file).writerows([("userId", "movieId", "rating", "timestamp"), *ratings])
    return SourceSettings(movies=str(catalogue), ratings=str(rated))


def waiting_for_locks(database: Database) -> int:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
    return int(database.fetch(waiting)[0][0])


def test_a_second_reader_does_not_queue_behind_a_load_that_waits_for_the_first(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOCK_WAIT", "60s")
    source = write_files(tmp_path, [(user, 1, 5.0, 1_000_000_000) for user in range(1, 500)])
    accounts = []
    load = threading.Thread(
        target=lambda: accounts.append(ingest(database, source, DATASET, "test"))
    )
    with database.connect() as first, first.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {DATASET}.ratings")
        load.start()
        until = time.monotonic() + 20
        while not waiting_for_locks(database) and time.monotonic() < until:
            time.sleep(0.02)
        assert waiting_for_locks(database)
        for _ in range(3):
            began = time.monotonic()
            assert database.fetch(f"SELECT count(*) FROM {DATASET}.ratings") == [(0,)]
            assert time.monotonic() - began < 5
    load.join(30)
    assert accounts[0].files[1].loaded == 499
    assert database.fetch(f"SELECT count(*) FROM {DATASET}.ratings") == [(499,)]


def test_an_unordered_first_load_is_read_straight_into_the_table_only_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(user, 1, 5.0, 1_000_000_000) for user in range(1, 3000)]
    source = write_files(tmp_path, [*rows[::-1]])
    blocks = []
    read = RatingsReader.read
    monkeypatch.setattr(
        RatingsReader, "read", lambda self, block: blocks.append(1) or read(self, block)
    )
    assert ingest(database, source, DATASET, "test").files[1].loaded == 2999
    assert len(blocks) == 2, "once in vain, once by way of the stage"


def test_undecidable_duplicates_are_not_held_in_memory(database: Database, tmp_path: Path) -> None:
    few, many = (memory_to_set_aside(database, tmp_path, users) for users in (200, 600))
    assert many - few < 8e6, f"{(many - few) / 1e6:.0f} MB for 40,000 rows more that are rejected"


def memory_to_set_aside(database: Database, folder: Path, users: int) -> int:
    """Bytes of Python's objects at the peak of a load of 100 undecidable rows a user."""
    pairs = [(user, movie) for user in range(1, users + 1) for movie in range(1, 51)]
    rows = [(*pair, stars, 1_000_000_000) for pair in pairs for stars in (1.0, 5.0)]
    source = write_files(folder, [*rows, (5000, 1, 5.0, 1_000_000_000)])
    all_allowed = source.model_copy(update={"max_rejected": 1.0})
    tracemalloc.start()
    try:
        account = ingest(database, all_allowed, DATASET, "test").files[1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (account.rejected, account.loaded) == (100 * users, 1)
    return peak
