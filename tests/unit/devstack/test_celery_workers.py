"""What a Celery worker is told, and what not; which queues it takes; what a missing part is called."""

import json
import os
import sys
from itertools import islice
from pathlib import Path

import psutil
import pytest
from stack_processes import run_recsys

from recsys_tasks.devstack import celery_workers, redis
from recsys_tasks.devstack.accounts import Account, accounts
from recsys_tasks.devstack.celery_workers import Worker, queues_of, worker_environment
from recsys_tasks.devstack.credentials import Credentials
from recsys_tasks.devstack.process import kill_session, start_child, wait_until
from recsys_tasks.devstack.shared_code import Python
from recsys_tasks.errors import SettingsError


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Environment of a worker whose stack has every secret."""
    from recsys_tasks.config.connections import StoreAccess
    from recsys_tasks.devstack.airflow_services import AirflowPlan, environment

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the caller's")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    plan = AirflowPlan(
        home=tmp_path,
        dags=Path("/project/dags"),
        plugins=Path("/project/plugins"),
        port=8099,
        database_port=55499,
        store=StoreAccess("http://127.0.0.1:9099", "recsys", "key", "secret"),
        credentials=(secrets := Credentials()),
        celery=celery_workers.airflow_settings("redis://broker", "postgresql://results", ()),
    )
    worker = Worker("worker-7", ("train",), 1, Account(), tmp_path / "worker-7")
    return worker_environment(worker, Python(Path("/python")), environment(plan)), secrets


def test_a_worker_knows_none_of_airflows_own_secrets_nor_the_callers(told):
    environ, secrets = told
    text = str(environ)
    hidden = ("airflow_role", "airflow_jwt", "airflow_fernet", "airflow_api", "airflow_admin")
    assert [name for name in hidden if getattr(secrets, name) in text] == []
    assert "the caller's" not in text


def test_a_worker_knows_what_its_tasks_need(told):
    environ, secrets = told
    assert secrets.recsys_role in environ["AIRFLOW_CONN_RECSYS_DB"]
    assert "9099" in environ["AIRFLOW_CONN_RECSYS_S3"]
    assert environ["OTEL_EXPORTER_OTLP_ENDPOINT"].endswith(":4318")
    assert environ["AIRFLOW__CELERY__BROKER_URL"] == "redis://broker"
    assert environ["AIRFLOW__CELERY__RESULT_BACKEND"] == "db+postgresql+psycopg2://results"
    assert environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].endswith(":8099/execution/")


def test_workers_may_reach_the_bucket_by_a_way_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_WORKER_S3_ENDPOINT", "http://127.0.0.1:9100")
    worker = Worker("worker-7", ("train",), 1, Account(), tmp_path)
    stack = {"extra": {"endpoint_url": "http://127.0.0.1:9099", "bucket": "recsys"}}
    airflow = {"AIRFLOW_CONN_RECSYS_S3": json.dumps(stack)}
    environ = worker_environment(worker, Python(Path("/python")), airflow)
    told = json.loads(environ["AIRFLOW_CONN_RECSYS_S3"])["extra"]
    assert told == {"endpoint_url": "http://127.0.0.1:9100", "bucket": "recsys"}


def test_every_folder_of_a_worker_is_below_its_home(told):
    environ, _ = told
    for name in ("HOME", "TMPDIR", "AIRFLOW_HOME", "AIRFLOW__LOGGING__BASE_LOG_FOLDER"):
        assert "/worker-7" in environ[name]


def test_the_last_worker_trains_and_a_single_one_does_everything():
    assert [queues_of(n, 3) for n in (1, 2, 3)] == [("default",), ("default",), ("train",)]
    assert queues_of(1, 1) == ("default", "train")


def test_a_workers_folders_are_its_own_alone(tmp_path):
    worker = Worker("worker-1", ("default",), 2, next(accounts()), tmp_path / "worker-1")
    worker.prepare()
    folders = [worker.home, *worker.home.iterdir()]
    assert len(folders) == 4
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root has accounts to give")
def test_root_gives_each_part_an_account_of_its_own():
    numbers = [account.uid for account in islice(accounts(), 3)]
    assert len(set(numbers)) == 3
    assert None not in numbers


def test_a_missing_redis_is_called_by_its_packages_name(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SettingsError, match="apt-get install redis-server"):
        redis.program()


def test_a_celery_stack_without_airflow_is_refused(tmp_path):
    code, _, stderr = run_recsys(tmp_path, "up", "--executor", "celery", "--no-airflow")
    assert (code, "--no-airflow" in stderr) == (2, True)


def test_secrets_of_an_older_stack_gain_the_new_ones_and_keep_their_own(tmp_path):
    file = tmp_path / "secrets.json"
    file.write_text('{"postgres": "kept"}')
    first = Credentials.keep(tmp_path)
    assert first.postgres == "kept"
    assert Credentials.keep(tmp_path).redis == first.redis


def test_a_workers_tasks_end_with_it_though_they_are_groups_of_their_own(tmp_path):
    script = (
        "import os, time; os.fork() or os.setpgid(0, 0); print('up', flush=True); time.sleep(60)"
    )
    child = start_child("worker", [sys.executable, "-c", script], log := tmp_path / "log")
    assert wait_until(lambda: log.read_text().count("up") == 2, child, 30)
    task = psutil.Process(child.process.pid).children()[0]
    kill_session(child.process.pid)
    child.stop()
    psutil.wait_procs([task], timeout=10)
    assert not task.is_running() or task.status() == psutil.STATUS_ZOMBIE
