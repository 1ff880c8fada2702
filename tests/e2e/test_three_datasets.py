"""Three data sets, three schedules, one broken file, and a backfill of five nights, under a real scheduler."""

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from airflow_stack import Stack
from stack_processes import run_recsys, wait_for_silence

from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.pipeline.airflow_api import TriggeredRun
from recsys_tasks.publish.naming import version_names

pytestmark = [pytest.mark.airflow, pytest.mark.services, pytest.mark.slow("many data sets")]

PROJECT = Path(__file__).parents[2]
DATASETS = ("books", "shop", "tea")
NIGHTS = 5
DAYS = 10
"""Over which the ratings lie, up to now: each night of the past knows more than the one before."""

SMALL = """
dataset = "{name}"
source.movies = "{folder}/movies.csv"
source.ratings = "{folder}/ratings.csv"
train.engine = "recsys"
train.finalise = false
train.components = 4
train.epochs = 2
index.trees = 3
gate.min_precision = 0.0001
gate.min_popular_ratio = 0.01
gate.min_effective_rank = 0
gate.min_index_recall = 0
gate.max_champion_loss = 1.0
checks.min_of_champion = 0
"""
UPSTREAM = """
from airflow.sdk import Asset, dag, task

for name in ("shop", "tea"):

    @dag(dag_id=f"load_{name}", schedule=None)
    def load():
        @task(outlets=[Asset(name=f"{name}_files", uri=f"s3://lake/{name}")])
        def deliver():
            return "delivered"

        deliver()

    load()
"""
CONSUMERS = """
from airflow.sdk import dag, get_current_context
from recsys_airflow import champion_of, step

def consumer_of(name):
    @dag(dag_id=f"consume_{name}", schedule=[champion_of(name)])
    def consume():
        @step(minutes=5)
        def woken():
            events = get_current_context()["triggering_asset_events"][champion_of(name)]
            return [event.extra["dataset"] for event in events]

        woken()

    consume()

for name in ("books", "shop", "tea"):
    consumer_of(name)
"""


def write_source(folder: Path, now: datetime) -> None:
    """Users of three tastes who rated over the days up to now."""
    rng = np.random.default_rng(1)
    movies = [f"{item},Film {item} (1999),Kind {item % 3}" for item in range(1, 46)]
    ratings = [
        f"{user},{item},{5.0 if item % 3 == user % 3 else 2.0},{int(moment(now, user, item))}"
        for user in range(1, 91)
        for item in sorted(rng.choice(45, 18, replace=False) + 1)
    ]
    for name, head, lines in (
        ("movies", "movieId,title,genres", movies),
        ("ratings", "userId,movieId,rating,timestamp", ratings),
    ):
        (folder / f"{name}.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")


def moment(now: datetime, user: int, item: int) -> float:
    return (now - timedelta(days=(7 * user + int(item)) % DAYS, minutes=10)).timestamp()


def write_settings(folder: Path, source: Path, now: datetime) -> None:
    """By the clock, a minute ago; by an asset; by either; and one that is refused."""
    tables = {
        "books": f'[dag]\ncron = "{now.minute} {now.hour} * * *"\n',
        "shop": '[dag]\nassets = ["s3://lake/shop"]\n',
        "tea": '[dag]\ncron = "0 0 1 1 *"\nassets = ["tea_files"]\n',
    }
    for name, table in tables.items():
        text = SMALL.format(name=name, folder=source) + table
        (folder / f"{name}.toml").write_text(text)
    (folder / "broken.toml").write_text('dataset = "broken"\n[train]\nepochs = 0\n')


@pytest.fixture(scope="module")
def now() -> datetime:
    """The last full minute: when books was due."""
    return datetime.now(UTC).replace(second=0, microsecond=0)


@pytest.fixture(scope="module")
def stack(service_home: Path, now: datetime) -> Iterator[Stack]:
    """A stack of its own; afterwards none of its processes lives."""
    home, work = service_home / "many", service_home / "many-files"
    shutil.copytree(PROJECT / "dags", work / "dags")
    (work / "dags" / "upstream.py").write_text(UPSTREAM)
    (work / "dags" / "consumers.py").write_text(CONSUMERS)
    for name in ("settings", "source"):
        (work / name).mkdir()
    write_source(work / "source", now)
    write_settings(work / "settings", work / "source", now)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RECSYS_SETTINGS_DIR", str(work / "settings"))
        code, _, stderr = run_recsys(home, "up", "--dags", str(work / "dags"))
    assert code == 0, stderr
    yield Stack.in_folder(home)
    assert run_recsys(home, "down")[0] == 0
    assert wait_for_silence(home) == []


@pytest.fixture(scope="module")
def trained(stack: Stack) -> dict[str, dict[str, Any]]:
    """The one run of each data set, once its consumer has run too."""
    every = [f"{kind}_{name}" for kind in ("recsys_train", "consume") for name in DATASETS]
    for dag_id in every:
        stack.api.wait_for_dag(dag_id)
        stack.api.set_paused(dag_id, False)
    for name in ("shop", "tea"):
        stack.start(f"load_{name}", "loaded", {})
    for dag_id in every:
        await_runs(stack, dag_id, 1)
    return {name: runs_of(stack, f"recsys_train_{name}")[0] for name in DATASETS}


def test_the_broken_file_is_one_import_error_that_names_file_field_and_reason(
    stack: Stack,
) -> None:
    stack.api.wait_for_dag("recsys_train_tea")
    for dag_id in ("recsys_train_books", "recsys_train_shop"):
        stack.api.wait_for_dag(dag_id)
    deadline = time.monotonic() + 60
    while not (found := errors_of(stack)) and time.monotonic() < deadline:
        time.sleep(1)
    [error] = found
    assert error["filename"] == "recsys_settings.py"
    assert "broken.toml: train.epochs: Input should be greater than" in error["stack_trace"]


def test_each_runs_by_its_own_schedule(trained: dict[str, dict[str, Any]]) -> None:
    kinds = {name: run["run_type"] for name, run in trained.items()}
    assert kinds == {"books": "scheduled", "shop": "asset_triggered", "tea": "asset_triggered"}
    assert {run["state"] for run in trained.values()} == {"success"}


def test_the_one_with_both_is_due_by_the_clock_as_well(
    stack: Stack, trained: dict[str, dict[str, Any]]
) -> None:
    due = stack.api._call("GET", "/api/v2/dags/recsys_train_tea")["next_dagrun_run_after"]
    assert "-01-01T00:00:00" in due


def test_a_run_without_a_logical_date_has_a_version_and_an_as_of(
    stack: Stack, trained: dict[str, dict[str, Any]]
) -> None:
    assert trained["shop"]["logical_date"] is None
    [version] = version_names(stack.store, "shop")
    run_after = datetime.fromisoformat(trained["shop"]["run_after"])
    assert version.startswith(run_after.strftime("%Y%m%dT%H%M%SZ"))
    manifest = read_manifest(stack.store, "shop", version)
    assert manifest.data.model_dump()["as_of"]


def test_a_consumer_is_woken_by_its_own_data_set_and_by_no_other(
    stack: Stack, trained: dict[str, dict[str, Any]]
) -> None:
    for name in DATASETS:
        [run] = runs_of(stack, f"consume_{name}")
        assert stack.api.returned(run_in(run), "woken") == [name]


@pytest.mark.xfail(reason="not seen to end within its time on a busy machine", strict=False)
def test_a_backfill_of_five_nights_publishes_each_and_moves_no_champion(
    stack: Stack, trained: dict[str, dict[str, Any]], now: datetime
) -> None:
    champion, before = read_pointer(stack.store, "books"), version_names(stack.store, "books")
    first, last = now - timedelta(days=NIGHTS), now - timedelta(days=1)
    asked = {"dag_id": "recsys_train_books", "max_active_runs": 3}
    dates = {"from_date": first.isoformat(), "to_date": last.isoformat()}
    stack.api._call("POST", "/api/v2/backfills", json=asked | dates)
    runs = await_runs(stack, "recsys_train_books", 1 + NIGHTS)
    nights = [run for run in runs if run["run_type"] == "backfill"]
    assert [run["state"] for run in nights] == ["success"] * NIGHTS
    assert read_pointer(stack.store, "books") == champion
    new = sorted(set(version_names(stack.store, "books")) - set(before))
    known = [read_manifest(stack.store, "books", name).data.model_dump()["ratings"] for name in new]
    assert len(known) == NIGHTS
    assert known == sorted(set(known)), "each night knows more than the one before"
    states = {task.name: task.state for task in stack.api.tasks(run_in(nights[0]))}
    assert (states["publish"], states["promote"]) == ("success", "skipped")
    assert len(runs_of(stack, "consume_books")) == 1


def run_in(listed: dict[str, Any]) -> TriggeredRun:
    """A run as the API lists it."""
    moment = datetime.fromisoformat(listed["run_after"])
    return TriggeredRun(listed["dag_id"], listed["dag_run_id"], moment)


def runs_of(stack: Stack, dag_id: str) -> list[dict[str, Any]]:
    query = {"order_by": "run_after", "limit": 50}
    return list(stack.api._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=query)["dag_runs"])


def errors_of(stack: Stack) -> list[dict[str, Any]]:
    return list(stack.api._call("GET", "/api/v2/importErrors")["import_errors"])


def await_runs(
    stack: Stack, dag_id: str, number: int, seconds: float = 1200
) -> list[dict[str, Any]]:
    """The runs of a DAG, once there are so many and all have ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        runs = runs_of(stack, dag_id)
        assert "failed" not in {run["state"] for run in runs}, dag_id
        if len(runs) >= number and {run["state"] for run in runs} == {"success"}:
            return runs
        time.sleep(1)
    raise AssertionError(f"{dag_id} after {seconds:g} s: {[run['state'] for run in runs]}")
