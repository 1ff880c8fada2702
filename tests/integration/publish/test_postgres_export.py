"""Embeddings in Postgres: the same numbers, one version at a time, the old one after an error."""

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
from tiny_version import DATASET, make_version, unchecked, write_files

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import DatabaseUnavailable, StoreUnavailable
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import Steps
from recsys_tasks.publish.channels import promote, rollback
from recsys_tasks.publish.postgres_export import tables_follow, write_embeddings
from recsys_tasks.publish.publisher import publish

pytestmark = pytest.mark.services

OLD, NEW = (f"2026112{day}T030000Z-0000000{day}" for day in (1, 2))


@pytest.fixture
def connection(database_url: str) -> Any:
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {DATASET}")
    yield connection
    connection.close()


def rows_of(connection: Any, table: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {DATASET}.{table} ORDER BY 1")
        return cursor.fetchall()


def test_both_tables_hold_the_same_floats_under_the_external_ids(
    connection: Any, tmp_path: Path
) -> None:
    write_files(tmp_path)
    with connection:
        assert write_embeddings(connection, DATASET, "v1", tmp_path) == 340
    for table, ids, rows in (
        ("user_embeddings", "user_ids.npy", "user_embeddings.npy"),
        ("movie_embeddings", "item_ids.npy", "item_embeddings.npy"),
    ):
        found = rows_of(connection, table)
        assert [row[0] for row in found] == np.load(tmp_path / ids).tolist()
        assert np.array_equal(np.float32([row[1] for row in found]), np.load(tmp_path / rows))
        assert {row[2] for row in found} == {"v1"}


def test_a_newer_version_replaces_the_older_and_an_error_leaves_it(
    connection: Any, tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        write_files(tmp_path / name, seed)
        with connection:
            write_embeddings(connection, DATASET, name, tmp_path / name)
    (tmp_path / "b" / "item_ids.npy").unlink()
    with pytest.raises(FileNotFoundError), connection:
        write_embeddings(connection, DATASET, "c", tmp_path / "b")
    assert {row[2] for row in rows_of(connection, "user_embeddings")} == {"b"}
    assert {row[2] for row in rows_of(connection, "movie_embeddings")} == {"b"}


@pytest.fixture
def store(bucket: StoreAccess, tmp_path: Path) -> ObjectStore:
    """Two versions, neither of them champion."""
    store = ObjectStore(bucket)
    for version, seed in ((OLD, 1), (NEW, 2)):
        folder = tmp_path / version
        publish(store, DATASET, version, folder, make_version(folder, version, seed))
    return store


def versions_in(connection: Any) -> set[str]:
    with connection:
        return {
            row[2]
            for table in ("user_embeddings", "movie_embeddings")
            for row in rows_of(connection, table)
        }


@pytest.mark.parametrize("wanted", [True, False])
def test_a_promotion_makes_them_only_by_the_setting(
    connection: Any, database_url: str, bucket: StoreAccess, tmp_path: Path, wanted: bool
) -> None:
    settings = Settings.load(overrides={"dataset": DATASET, "publish.write_postgres": wanted})
    run = Run(DATASET, "recsys_train", "manual__1", datetime(2026, 11, 24, 3, tzinfo=UTC))
    steps = Steps(settings, run, Database(database_url), ObjectStore(bucket))
    manifest = make_version(tmp_path, run.version)
    publish(steps.store, DATASET, run.version, tmp_path, manifest)
    steps.promote()
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (DATASET,))
        tables = {name for (name,) in cursor.fetchall()}
    assert ({"user_embeddings", "movie_embeddings"} <= tables) is wanted
    if wanted:
        assert versions_in(connection) == {run.version}


def test_tables_that_are_there_follow_every_promotion_and_rollback(
    connection: Any, database_url: str, store: ObjectStore
) -> None:
    database, lock = Database(database_url), nullcontext()
    made = tables_follow(database, store, create=True)
    promote(store, lock, DATASET, OLD, "test", verify=unchecked, follow=made)
    follow = tables_follow(database, store)
    promote(store, lock, DATASET, NEW, "test", verify=unchecked, follow=follow)
    assert versions_in(connection) == {NEW}
    rollback(store, lock, DATASET, NEW, "test", verify=unchecked, follow=follow)
    assert versions_in(connection) == {OLD}


def test_a_promotion_whose_pointer_cannot_move_leaves_the_tables(
    connection: Any, database_url: str, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = tables_follow(Database(database_url), store, create=True)
    promote(store, nullcontext(), DATASET, OLD, "test", verify=unchecked, follow=follow)
    real = store.put

    def away(key: str, data: bytes, **condition: Any) -> str:
        if key == keys.pointer(DATASET):
            raise StoreUnavailable("away")
        return real(key, data, **condition)

    monkeypatch.setattr(store, "put", away)
    with pytest.raises(StoreUnavailable):
        promote(store, nullcontext(), DATASET, NEW, "test", verify=unchecked, follow=follow)
    assert versions_in(connection) == {OLD}


def test_tables_that_cannot_be_written_leave_the_pointer_and_a_repeat_finishes(
    connection: Any, database_url: str, store: ObjectStore
) -> None:
    follow = tables_follow(Database(database_url), store, create=True)
    promote(store, nullcontext(), DATASET, OLD, "test", verify=unchecked, follow=follow)
    away = tables_follow(Database("postgresql://nobody:x@127.0.0.1:9/none"), store)
    with pytest.raises(DatabaseUnavailable):
        promote(store, nullcontext(), DATASET, NEW, "test", verify=unchecked, follow=away)
    pointer = read_pointer(store, DATASET)
    assert pointer is not None
    assert pointer.version == OLD
    promote(store, nullcontext(), DATASET, NEW, "test", verify=unchecked)  # tables left behind
    promote(store, nullcontext(), DATASET, NEW, "test", verify=unchecked, follow=follow)
    assert versions_in(connection) == {NEW}


def test_readers_may_read_the_tables_from_the_moment_they_are_there(
    database_url: str, store: ObjectStore
) -> None:
    database = Database(database_url)
    database.migrate(DATASET, with_roles=True)
    follow = tables_follow(database, store, create=True)
    promote(store, nullcontext(), DATASET, OLD, "test", verify=unchecked, follow=follow)
    for table in ("user_embeddings", "movie_embeddings"):
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET ROLE recsys_reader")
            cursor.execute(f"SELECT count(*) FROM {DATASET}.{table}")
            assert cursor.fetchone()[0] > 0
