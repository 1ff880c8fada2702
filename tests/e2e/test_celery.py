"""Tasks over machines: the nightly DAG on two Celery workers that share no disk, and what befalls them.

One worker is killed before the run, the way to the store is cut while the run publishes; the files are
those of the same run by the local executor all the same.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg2
import pytest
import yaml
from airflow_stack import Stack
from stack_processes import run_recsys, wait_for_silence
from tcp_proxy import TcpProxy

from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.connections import Connections
from recsys_tasks.devstack.credentials import Credentials
from recsys_tasks.devstack.ports import free_port
from recsys_tasks.devstack.postgres import database_url
from recsys_tasks.devstack.sample import make_sample
from recsys_tasks.devstack.shared_code import is_open
from recsys_tasks.devstack.status import read_status
from recsys_tasks.pipeline.airflow_api import AirflowApi, TaskState, TriggeredRun
from recsys_tasks.pipeline.run import Run

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.slow("workers"),
    pytest.mark.services,
    pytest.mark.skipif(
        shutil.which("redis-server") is None, reason="NOT TESTED: redis-server is not installed"
    ),
]

PROJECT = Path(__file__).parents[2]
RUN = Run("workers", "recsys_train", "workers__1", datetime(2026, 11, 24, 3, tzinfo=UTC))
SETTINGS = {"preset": "quick", "train.threads": 1, "dataset": RUN.dataset}
PROBE = '''
"""What a task can reach from its worker, said in its log; its first try ends with its worker."""
import os, pathlib, time
from datetime import timedelta
from airflow.sdk import Connection, dag, get_current_context
from recsys_airflow import step

@dag(schedule=None)
def probe():
    @step(minutes=5, queue="train", retries=2, retry_delay=timedelta(seconds=1))
    def look():
        number = get_current_context()["ti"].try_number
        print("password", Connection.get("recsys_db").password, "of try", number)
        mine = pathlib.Path.home()
        print("others", [n for n in ("worker-1", "redis", "postgres") if os.access(mine.parent / n, os.R_OK)])
        print("secrets", sorted(n for n in os.environ if "JWT" in n or "FERNET" in n))
        if number == 1:
            time.sleep(250)
        if number == 2:
            raise RuntimeError("this try fails by itself")
    look()
probe()
'''


def train(stack: Stack, files: tuple[Path, Path]) -> TriggeredRun:
    """The nightly run on files in the bucket, where every host finds them."""
    conf = dict(SETTINGS)
    for role, file in zip(("movies", "ratings"), files, strict=True):
        stack.store.upload_file(file, f"inbox/{file.name}")
        conf[f"source.{role}"] = f"s3://recsys/inbox/{file.name}"
    return stack.start(RUN.dag_id, RUN.run_id, conf, RUN.run_after)


@pytest.fixture(scope="module")
def proxy():
    """The workers' way to the store."""
    with TcpProxy(free_port()).running() as carrying:
        yield carrying


@pytest.fixture(scope="module")
def celery(service_home: Path, proxy: TcpProxy):
    """A stack with two workers; afterwards none of its processes lives."""
    folder, dags = service_home / "celery", service_home / "dags"
    shutil.copytree(PROJECT / "dags", dags)
    (dags / "probe.py").write_text(PROBE)
    options = ("--executor", "celery", "--dags", str(dags), "--s3-port", str(proxy.upstream))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RECSYS_EVALUATION_SHARDS", "2")
        environment.setenv("RECSYS_WORKER_SILENCE", "20")
        environment.setenv("RECSYS_WORKER_S3_ENDPOINT", proxy.endpoint)
        code, _, stderr = run_recsys(folder, "up", *options)
    assert code == 0, stderr
    yield Stack.in_folder(folder)
    assert run_recsys(folder, "down")[0] == 0
    assert wait_for_silence(folder) == []


@pytest.fixture(scope="module")
def probed(celery: Stack) -> tuple[TriggeredRun, str]:
    """A run of the probe and the log of its first try, in which its worker was killed."""
    run = celery.start("probe", "probe__1", {})
    await_word("secrets", celery.api, run)
    before = read_status(celery.home)
    worker = psutil.Process(next(part.pid for part in before.parts if part.name == "worker-2"))
    assert Credentials.keep(celery.home).airflow_role not in json.dumps(worker.environ())
    kill_all_of(worker)
    told = log_of_try(1, celery, run)
    while read_status(celery.home) == before:
        time.sleep(0.1)
    return run, told


@pytest.fixture(scope="module")
def tasks(
    celery: Stack, local_stack: Path, probed, proxy: TcpProxy, tmp_path_factory
) -> dict[str, TaskState]:
    """The tasks of the run on the workers, when it has ended there and by the local executor."""
    upload = f"PUT /recsys/workers/versions/{RUN.version}/user_embeddings.npy"
    proxy.cut_at(upload.encode(), seconds=3)
    stacks = [celery, Stack.in_folder(local_stack)]
    files = make_sample(tmp_path_factory.mktemp("sample"))
    runs = [train(stack, files) for stack in stacks]
    ends = [stack.await_end(run) for stack, run in zip(stacks, runs, strict=True)]
    assert ends == ["success", "success"]
    return {task.name: task for task in celery.api.tasks(runs[0])}


def test_both_workers_took_tasks_and_training_went_to_the_train_worker_only(tasks):
    assert {task.state for task in tasks.values()} == {"success"}
    assert [name for name, task in tasks.items() if task.host == "worker-2"] == ["train"]
    assert {task.host for task in tasks.values()} == {"worker-1", "worker-2"}
    assert "evaluate_users" in tasks


def test_files_are_those_of_the_local_executors_run_hash_by_hash_though_publishing_was_cut_off(
    tasks, celery, local_stack, proxy
):
    assert proxy.sprung.is_set()
    theirs, ours = (
        read_manifest(stack.store, RUN.dataset, RUN.version)
        for stack in (celery, Stack.in_folder(local_stack))
    )
    assert {name: facts.sha256 for name, facts in ours.files.items()} == {
        name: facts.sha256 for name, facts in theirs.files.items()
    }
    assert ours == theirs


def test_a_task_of_a_run_that_has_ended_may_be_cleared_and_runs_again(tasks, celery):
    run = TriggeredRun(RUN.dag_id, RUN.run_id, RUN.run_after)
    clear = {"dag_run_id": RUN.run_id, "task_ids": ["report"], "dry_run": False}
    path = f"/api/v2/dags/{RUN.dag_id}/clearTaskInstances"
    celery.api._call("POST", path, json={**clear, "only_failed": False})
    celery.api.set_paused(RUN.dag_id, False)
    assert celery.await_end(run) == "success"
    again = {task.name: task.tries - tasks[task.name].tries for task in celery.api.tasks(run)}
    assert [name for name, more in again.items() if more] == ["report"]


def test_celerys_role_may_not_enter_airflows_metadata(celery):
    known = Credentials.keep(celery.home)
    port = int(celery.env["RECSYS_DB_URL"].rpartition(":")[2].partition("/")[0])
    psycopg2.connect(database_url("celery", known.celery_role, port, "celery")).close()
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(database_url("celery", known.celery_role, port, "airflow"))


def test_a_killed_tasks_log_is_there_at_once_and_its_worker_told_it_no_secrets(probed):
    _, told = probed
    assert "password *** of try 1" in told
    assert "secrets []" in told
    apart = os.geteuid() == 0 and is_open(PROJECT)
    assert ("others []" in told) == apart


def test_every_try_killed_failed_or_good_has_its_log_masked_in_the_bucket_too(probed, celery):
    run, _ = probed
    assert celery.await_end(run) == "success"
    tells = {1: "secrets []", 2: "this try fails by itself", 3: "password *** of try 3"}
    for number, sentence in tells.items():
        assert sentence in log_of_try(number, celery, run)
    store = celery.store
    kept = [store.get(found.key) for found in store.list("airflow-logs/dag_id=probe/")]
    password = Connections(celery.env).database_url().split(":")[2].partition("@")[0]
    assert len(kept) == 3
    assert not any(password.encode() in log for log in kept)


def test_the_compose_files_health_check_knows_a_worker_that_lives(celery):
    asked = {worker: ask_for(worker, celery.home) for worker in ("worker-1", "worker-9")}
    told = {worker: process.communicate()[0] for worker, process in asked.items()}
    assert "celery@worker-1: OK" in told["worker-1"]
    assert [worker for worker, process in asked.items() if process.returncode == 0] == ["worker-1"]


def ask_for(worker: str, home: Path) -> "subprocess.Popen[str]":
    """The health check of the compose file's workers, as it stands there but for its patience."""
    services = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())["services"]
    line = services["airflow-worker"]["healthcheck"]["test"][1]
    line = line.replace("$$HOSTNAME", worker).replace("--timeout 10", "--timeout 3")
    password = Credentials.keep(home).redis
    address = next(part.address for part in read_status(home).parts if part.name == "Redis")
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CELERY__BROKER_URL": f"redis://:{password}@{address.split()[0]}/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+sqlite://",
    }
    return subprocess.Popen(["sh", "-c", line], env=environ, stdout=subprocess.PIPE, text=True)


def await_word(word: str, api: AirflowApi, run: TriggeredRun, seconds: float = 60) -> None:
    """Until the log of the run's one task holds the word."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        task = api.tasks(run)[0]
        if task.state == "running" and word in "\n".join(api.log_lines(run, task)):
            return
        time.sleep(0.5)
    raise AssertionError(f"{word} is not in the log")


def log_of_try(number: int, stack: Stack, run: TriggeredRun) -> str:
    """What a try of the run's one task said, as the UI shows it."""
    task = replace(stack.api.tasks(run)[0], tries=number)
    return "\n".join(stack.api.log_lines(run, task))


def kill_all_of(process: psutil.Process) -> None:
    """What a host does that loses its power."""
    for one in [process, *process.children(recursive=True)]:
        one.kill()
