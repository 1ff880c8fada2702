"""A newcomer's first hour: two demos in a row through Airflow, a refused model, and Ctrl-C."""

import json
import random
import signal
import time
from pathlib import Path

import psycopg2
import pytest
from stack_processes import run_recsys, start_recsys, wait_for_silence

from recsys_tasks.pipeline.airflow_api import AirflowApi

pytestmark = [pytest.mark.airflow, pytest.mark.services]
more_demos = pytest.mark.slow("demos")

QUICK = ("--set", "preset=quick")


@pytest.fixture(scope="module")
def home(local_stack: Path) -> Path:
    """State folder of the stack."""
    return local_stack


@pytest.fixture(scope="module")
def first(home: Path):
    """What a demo said of itself."""
    return _json(home, "demo", *QUICK)


@pytest.fixture(scope="module")
def demos(home: Path, first):
    """What two demos, one after the other, said of themselves."""
    return [first, _json(home, "demo", *QUICK)]


def test_a_demo_publishes_a_version_and_promotes_it(home, first):
    assert first["promoted"] is True
    [published] = _json(home, "versions")
    assert (published["version"], published["champion"]) == (first["version"], True)


def test_the_fourteen_tasks_ran(first):
    assert len(first["tasks"]) == 14


def test_two_users_are_shown_ten_films_that_they_have_not_rated(first):
    for user in first["users"]:
        titles = [movie["title"] for movie in user["items"]]
        assert len(set(titles)) == 10
        assert not set(titles) & {movie["title"] for movie in user["liked"]}


@more_demos
def test_each_demo_publishes_a_version_and_promotes_it(home, demos):
    assert [demo["promoted"] for demo in demos] == [True, True]
    versions = {version["version"]: version for version in _json(home, "versions")}
    assert set(versions) == {demo["version"] for demo in demos}
    assert versions[demos[1]["version"]]["champion"] is True


@more_demos
def test_the_second_demo_loads_nothing_twice(home, demos):
    connection = psycopg2.connect(_json(home, "env")["RECSYS_DB_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from movielens.ratings")
        assert cursor.fetchone() == (100_004,)
        cursor.execute("select role, rows_loaded from movielens.ingested_files order by role")
        assert cursor.fetchall() == [("movies", 9_066), ("ratings", 100_004)]
    connection.close()


@more_demos
def test_the_same_steps_without_airflow_give_the_same_files_byte_for_byte(home, demos):
    code, stdout, stderr = run_recsys(home, "train", "--json", "--preset", "quick")
    assert code == 0, stderr
    by_hand = _json(home, "show", json.loads(stdout)["version"])["files"]
    by_airflow = _json(home, "show", demos[1]["version"])["files"]
    assert set(by_hand) == set(by_airflow)
    tells_of_its_run = {"report.html", "metrics.json"}
    assert [
        name
        for name, facts in by_hand.items()
        if name not in tells_of_its_run and facts != by_airflow[name]
    ] == []


@more_demos
def test_the_shop_is_shown_by_events_and_items_that_its_users_had_nothing_to_do_with(home):
    shop = _json(home, "demo", "--shop", *QUICK)
    assert (shop["dataset"], shop["promoted"]) == ("shop", True)
    for user in shop["users"]:
        assert {liked["event"] for liked in user["liked"]} <= {"view", "cart", "buy"}
        titles = {item["title"] for item in user["items"]}
        assert len(titles) == 10
        assert not titles & {liked["title"] for liked in user["liked"]}


@more_demos
def test_the_first_version_is_still_whole_after_the_second(home, demos):
    code, _, stderr = run_recsys(home, "verify", demos[0]["version"])
    assert code == 0, stderr


@more_demos
def test_a_refused_model_ends_the_demo_with_its_reason_and_leaves_the_champion(home, demos):
    before = _champions(home)
    code, _, stderr = run_recsys(home, "demo", *QUICK, "--set", "gate.min_precision=0.99")
    assert code == 3
    assert "the task gate failed" in stderr
    assert "0.99" in stderr.partition("the task gate failed")[2]
    assert len(before) == 1
    assert _champions(home) == before


@more_demos
def test_an_interrupted_demo_gives_its_run_up_so_that_the_next_need_not_wait(home):
    env = _json(home, "env")
    api = AirflowApi(env["AIRFLOW_API_URL"], env["AIRFLOW_USER"], env["AIRFLOW_PASSWORD"])
    demo = start_recsys(home, "demo", *QUICK)
    while not demo.stderr.readline().startswith("   1/"):
        assert demo.poll() is None
    demo.send_signal(signal.SIGINT)
    demo.communicate()
    assert demo.returncode == 130
    assert api.active_runs("recsys_train") == ()


@more_demos
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_at_any_moment_leaves_no_process(service_home, number):
    moment = random.uniform(0, 15)
    home = service_home / f"interrupted-{number}"
    demo = start_recsys(home, "demo", *QUICK)
    demo.stderr.readline()  # from its first word on it may start things
    time.sleep(moment)
    demo.send_signal(number)
    _, stderr = demo.communicate()
    assert demo.returncode == 130, f"interrupted after {moment:.1f} s: {stderr}"
    assert wait_for_silence(home) == [], f"interrupted after {moment:.1f} s"


def _json(home: Path, *command: str):
    code, stdout, stderr = run_recsys(home, *command, "--json")
    assert code == 0, stderr
    return json.loads(stdout)


def _champions(home: Path) -> list[str]:
    return [one["version"] for one in _json(home, "versions") if one["champion"]]
