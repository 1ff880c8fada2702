"""Embeddings in Postgres: the same numbers, one version at a time, the old one after an error."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
from tiny_version import DATASET, make_version, write_files

from recsys_tasks.connections import StoreAccess
from recsys_tasks.data.postgres import Database
from recsys_tasks.publish.object_store import ObjectStore
from recsys_tasks.publish.postgres_export import write_embeddings
from recsys_tasks.publish.publisher import publish
from recsys_tasks.run import Run
from recsys_tasks.settings import Settings
from recsys_tasks.steps import Steps

pytestmark = pytest.mark.services


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


@pytest.mark.parametrize("wanted", [True, False])
def test_a_promotion_writes_them_only_by_the_setting(
    connection: Any, database_url: str, bucket: StoreAccess, tmp_path: Path, wanted: bool
) -> None:
    settings = Settings.load(overrides={"dataset": DATASET, "publish.write_postgres": wanted})
    run = Run(DATASET, "recsys_train", "manual__1", datetime(2026, 11, 24, 3, tzinfo=UTC))
    steps = Steps(settings, run, Database(database_url), ObjectStore(bucket))
    manifest = make_version(tmp_path, run.version)
    publish(steps.store, DATASET, run.version, tmp_path, manifest)
    steps.files.put_json("metrics.json", {"test_served": {"precision_at_5": 0, "ndcg_at_10": 0}})
    for name in manifest.files:
        steps.store.upload_file(tmp_path / name, steps.files.key(f"files/{name}"))
    steps.promote()
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (DATASET,))
        tables = {name for (name,) in cursor.fetchall()}
    assert ({"user_embeddings", "movie_embeddings"} <= tables) is wanted
    if wanted:
        assert {row[2] for row in rows_of(connection, "user_embeddings")} == {run.version}
