"""Task logs in the bucket: as far as they got, from every host that worked on a try."""

import json
import os
import time
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from tcp_proxy import TcpProxy

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.errors import NotFound, StoreUnavailable

pytestmark = [pytest.mark.airflow, pytest.mark.services]

PATH = "dag_id=d/run_id=r/task_id=t/attempt=1.log"


@pytest.fixture
def folder(tmp_path, bucket, monkeypatch):
    """Airflow's log folder, with the bucket in the environment and a quick copier."""
    from recsys_airflow import task_logs

    connection = {
        "conn_type": "generic",
        "login": bucket.access_key,
        "password": bucket.secret_key,
        "extra": {"endpoint_url": bucket.endpoint, "bucket": bucket.bucket},
    }
    monkeypatch.setenv("AIRFLOW_CONN_RECSYS_S3", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    monkeypatch.setattr(task_logs, "SECONDS", 0.05)
    (tmp_path / PATH).parent.mkdir(parents=True)
    return tmp_path


@pytest.fixture
def logs(folder):
    from recsys_airflow.task_logs import StoreLogs

    return StoreLogs()


def logger_to(file, logs):
    """A logger as Airflow makes a task's: JSON lines through the module's processors."""
    return structlog.wrap_logger(
        structlog.BytesLogger(file.open("ab")),
        processors=[*logs.processors, structlog.processors.JSONRenderer(serializer=dumps)],
    )


def dumps(value, **_):
    return json.dumps(value).encode()


def text_of(logs):
    return "".join(logs.read(PATH, None)[1])


def test_a_task_that_never_ends_well_has_its_log_in_the_bucket(folder, logs):
    logger_to(folder / PATH, logs).info("epoch 1")
    deadline = time.monotonic() + 10
    while "epoch 1" not in text_of(logs) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "epoch 1" in text_of(logs)
    logs.upload(PATH)


def test_the_last_line_is_there_when_the_task_has_ended(folder, logs):
    logger = logger_to(folder / PATH, logs)
    logger.info("first")
    logger.info("last")
    logs.upload(PATH)
    assert "first" in text_of(logs)
    assert "last" in text_of(logs)


def test_a_log_that_ends_while_the_store_is_away_arrives_when_it_is_back(
    folder, bucket, logs, monkeypatch
):
    with TcpProxy(int(bucket.endpoint.rpartition(":")[2])).running() as proxy:
        connection = json.loads(os.environ["AIRFLOW_CONN_RECSYS_S3"])
        connection["extra"]["endpoint_url"] = proxy.endpoint
        monkeypatch.setenv("AIRFLOW_CONN_RECSYS_S3", json.dumps(connection))
        logger = logger_to(folder / PATH, logs)
        proxy.cut_at(f"PUT /{bucket.bucket}/airflow-logs/".encode(), seconds=2)
        logger.info("StoreUnavailable")
        assert proxy.sprung.wait(10)
        with pytest.raises(StoreUnavailable):
            logs.upload(PATH)
        logger.info("Failed to upload remote logs")
        (copier,) = logs._copiers.values()
        copier.join(30)
        assert "StoreUnavailable" in text_of(logs)
        assert "Failed to upload" in text_of(logs)


def test_a_log_is_not_waited_for_longer_than_an_hour(folder, logs, monkeypatch):
    from recsys_airflow import task_logs

    monkeypatch.setattr(task_logs, "LATEST", 0.0)
    logger_to(folder / PATH, logs).info("never sent")
    (copier,) = logs._copiers.values()
    monkeypatch.delenv("AIRFLOW_CONN_RECSYS_S3")
    with pytest.raises(NotFound):
        logs.upload(PATH)
    copier.join(10)
    assert not copier.is_alive()


def test_two_hosts_of_one_try_do_not_overwrite_each_other(folder, bucket, logs):
    for host in ("worker-1", "worker-2"):
        ObjectStore(bucket).put(f"airflow-logs/{PATH}/{host}", f"{host}\n".encode())
    names, texts = logs.read(PATH, None)
    assert [name.rpartition("/")[2] for name in names] == ["worker-1", "worker-2"]
    assert texts == ["worker-1\n", "worker-2\n"]


def test_logs_that_are_no_tasks_stay_where_they_are(folder, bucket, logs):
    logger_to(folder / "dag_processor.log", logs).info("parsed")
    assert logs._copiers == {}


def test_an_absent_connection_is_said_where_the_log_would_stand(folder, logs, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_RECSYS_S3")
    sources, texts = logs.read(PATH, None)
    assert "AIRFLOW_CONN_RECSYS_S3" in sources[0]
    assert texts == []


def test_old_logs_are_counted_and_then_removed_and_nothing_else_is(bucket):
    from recsys_airflow.task_logs import remove_logs

    store, later = ObjectStore(bucket), datetime.now(UTC) + timedelta(hours=1)
    store.put(f"airflow-logs/{PATH}/host", b"x")
    store.put("movielens/runs/x", b"x")
    assert remove_logs(store, later - timedelta(days=1), dry_run=False) == 0
    assert remove_logs(store, later, dry_run=True) == 1
    assert remove_logs(store, later, dry_run=False) == 1
    assert [found.key for found in store.list("")] == ["movielens/runs/x"]
