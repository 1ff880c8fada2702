"""Top-k lists in Postgres: what the recommender answers, one version at a time, the old one after a crash."""

import os
import signal
from contextlib import nullcontext
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
from tiny_version import DATASET, make_version, unchecked

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import ArtifactRefused, StoreUnavailable
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import Steps
from recsys_tasks.publish.channels import promote, rollback
from recsys_tasks.publish.postgres_export import tables_follow
from recsys_tasks.publish.postgres_lists import Lists, write_lists
from recsys_tasks.publish.publisher import publish
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services

OLD, NEW = (f"2026112{day}T030000Z-0000000{day}" for day in (1, 2))
K = 5


@pytest.fixture
def database(database_url: str) -> Database:
    database = Database(database_url)
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {DATASET}")
    return database


@pytest.fixture
def store(bucket: StoreAccess, tmp_path: Path) -> ObjectStore:
    """Two versions, neither of them champion."""
    store = ObjectStore(bucket)
    for version, seed in ((OLD, 1), (NEW, 2)):
        folder = tmp_path / version
        publish(store, DATASET, version, folder, make_version(folder, version, seed))
    return store


def rows_of(database: Database) -> list[tuple[Any, ...]]:
    return database.fetch(f"SELECT * FROM {DATASET}.recommendations ORDER BY user_id, rank")


def versions_in(database: Database) -> set[str]:
    return {row[4] for row in rows_of(database)}


def move(store: ObjectStore, database: Database, version: str, k: int = 0) -> None:
    follow = tables_follow(database, store, list_length=k)
    promote(store, nullcontext(), DATASET, version, "test", verify=unchecked, follow=follow)


def test_each_users_rows_are_what_the_recommender_answers(
    database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    move(store, database, OLD, K)
    recommender = Recommender.load(store, DATASET, cache=tmp_path / "cache")
    expected = [
        (int(user), rank, item.movie_id, pytest.approx(item.score, abs=1e-5), OLD)
        for user in recommender.artifacts.user_ids
        for rank, item in enumerate(recommender.recommend(int(user), K).items, 1)
    ]
    assert rows_of(database) == expected


def test_they_follow_the_pointer_there_and_back(database: Database, store: ObjectStore) -> None:
    move(store, database, OLD)
    assert database.fetch(f"SELECT to_regclass('{DATASET}.recommendations')") == [(None,)]
    move(store, database, NEW, K)
    assert versions_in(database) == {NEW}
    follow = tables_follow(database, store)
    rollback(store, nullcontext(), DATASET, NEW, "test", verify=unchecked, follow=follow)
    assert versions_in(database) == {OLD}
    assert max(row[1] for row in rows_of(database)) == K


def test_a_pointer_that_cannot_move_and_a_damaged_batch_leave_the_old_lists(
    database: Database, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(store, database, OLD, K)
    real = store.put

    def away(key: str, data: bytes, **condition: Any) -> str:
        if key == keys.pointer(DATASET):
            raise StoreUnavailable("away")
        return real(key, data, **condition)

    with monkeypatch.context() as patched:
        patched.setattr(store, "put", away)
        with pytest.raises(StoreUnavailable):
            move(store, database, NEW)
    assert versions_in(database) == {OLD}
    folder = keys.batch(DATASET, NEW, K, "jsonl")
    store.put(folder + "part-00000-of-00001.jsonl", b"{}\n")
    with pytest.raises(ArtifactRefused):
        move(store, database, NEW)
    assert versions_in(database) == {OLD}


def killed_in_the_middle(database: Database) -> None:
    """Writes half of the lists, then dies as by SIGKILL."""
    ones = np.ones(3, dtype=np.int64)
    half = Lists(ones, np.arange(1, 4, dtype=np.int32), ones, np.ones(3, np.float32))
    with database.connect() as connection:

        def blocks() -> Any:
            yield half
            os.kill(os.getpid(), signal.SIGKILL)

        write_lists(connection, DATASET, NEW, blocks())


def test_killed_in_the_middle_the_old_lists_stay(database: Database, store: ObjectStore) -> None:
    move(store, database, OLD, K)
    before = rows_of(database)
    process = get_context("fork").Process(target=killed_in_the_middle, args=(database,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert rows_of(database) == before
    move(store, database, NEW)
    assert versions_in(database) == {NEW}


def test_ids_of_text_are_text_in_the_table(database: Database) -> None:
    odd = np.array(["tab\there", "back\\slash", "line\nend"])
    rank, score = np.ones(3, np.int32), np.float32([0.1, -2, 3e-9])
    with database.connect() as connection:
        assert write_lists(connection, DATASET, "v", [Lists(odd, rank, odd, score)]) == 3
    found = database.fetch(f"SELECT user_id, item_id, score FROM {DATASET}.recommendations")
    assert {row[0] for row in found} == {row[1] for row in found} == set(odd.tolist())
    assert sorted(np.float32([row[2] for row in found])) == sorted(score)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_run_writes_them_only_by_the_setting(
    database: Database, bucket: StoreAccess, tmp_path: Path, wanted: bool
) -> None:
    given = {"dataset": DATASET, "publish.write_lists": wanted, "publish.list_length": 3}
    run = Run(DATASET, "recsys_train", "manual__1", datetime(2026, 11, 24, 3, tzinfo=UTC))
    steps = Steps(Settings.load(overrides=given), run, database, ObjectStore(bucket))
    manifest = make_version(tmp_path, run.version)
    publish(steps.store, DATASET, run.version, tmp_path, manifest)
    steps.promote()
    [(there,)] = database.fetch(f"SELECT to_regclass('{DATASET}.recommendations') IS NOT NULL")
    assert there is wanted
    if wanted:
        assert {row[1] for row in rows_of(database)} == {1, 2, 3}


def test_a_reader_sees_them_from_the_moment_they_are_there(
    database_url: str, store: ObjectStore
) -> None:
    database = Database(database_url)
    database.migrate(DATASET, with_roles=True)
    move(store, database, OLD, K)
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE recsys_reader")
        cursor.execute(f"SELECT count(*) FROM {DATASET}.recommendations")
        assert cursor.fetchall()[0][0] > 0
    connection.close()
