"""``recsys up``, ``down``, ``status`` and ``env`` without Airflow: quick enough to break them on purpose."""

import json
import os
import signal
import time
from pathlib import Path

import psycopg2
import pytest
from stack_processes import run_recsys, start_recsys, wait_for_silence

from recsys_tasks.devstack.log_files import LIMIT
from recsys_tasks.devstack.status import read_status

pytestmark = pytest.mark.services


@pytest.fixture
def home(service_home: Path, request: pytest.FixtureRequest):
    """A state folder that no stack runs in afterwards."""
    folder = service_home / f"stack-{abs(hash(request.node.name)):x}"
    yield folder
    run_recsys(folder, "down")


@pytest.fixture(scope="module")
def running(service_home: Path):
    """State folder and connections of a stack that runs."""
    folder = service_home / "stack-running"
    code, stdout, stderr = run_recsys(folder, "up", "--no-airflow", "--json")
    assert code == 0, stderr
    yield folder, json.loads(stdout)
    assert run_recsys(folder, "down")[0] == 0
    assert wait_for_silence(folder) == []
    assert run_recsys(folder, "env")[0] == 4


def test_up_and_env_give_connections_that_work(running):
    home, env = running
    psycopg2.connect(env["RECSYS_DB_URL"]).close()
    code, stdout, _ = run_recsys(home, "env", "--json")
    assert (code, json.loads(stdout).items() <= env.items()) == (0, True)


def test_a_second_up_says_that_it_runs_already(running):
    code, stdout, _ = run_recsys(running[0], "up", "--no-airflow", "--json")
    assert code == 0
    assert json.loads(stdout)["already_running"] is True


def test_secrets_are_readable_by_their_owner_only(running):
    files = [path for path in running[0].iterdir() if path.is_file()]
    assert [path.name for path in files if path.stat().st_mode & 0o077] == []


def test_a_long_log_is_shortened_while_its_server_runs(running):
    log, before = running[0] / "s3.log", time.monotonic()
    with log.open("ab") as output:
        output.truncate(LIMIT + 1)
    while log.stat().st_size > LIMIT and time.monotonic() < before + 60:
        time.sleep(0.1)
    assert (log.stat().st_size, (running[0] / "s3.log.1").stat().st_size) == (0, LIMIT + 1)


@pytest.mark.slow("kill drills")
def test_what_was_stored_is_there_after_a_crash(home):
    _, stdout, _ = run_recsys(home, "up", "--no-airflow", "--json")
    with psycopg2.connect(json.loads(stdout)["RECSYS_DB_URL"]) as connection:
        connection.cursor().execute("create table kept (movie text)")
    connection.close()
    os.kill(read_status(home).supervisor, signal.SIGKILL)
    assert wait_for_silence(home) == []
    assert json.loads(run_recsys(home, "status", "--json")[1])["running"] is False

    code, stdout, stderr = run_recsys(home, "up", "--no-airflow", "--json")
    assert code == 0, stderr
    connection = psycopg2.connect(json.loads(stdout)["RECSYS_DB_URL"])
    connection.cursor().execute("select count(*) from kept")
    connection.close()


@pytest.mark.slow("kill drills")
def test_a_part_that_dies_takes_the_stack_with_it_and_status_says_which(home):
    run_recsys(home, "up", "--no-airflow")
    postgres = next(part for part in read_status(home).parts if part.name == "Postgres")
    os.kill(postgres.pid, signal.SIGKILL)
    assert wait_for_silence(home) == []
    assert "Postgres ended by itself" in run_recsys(home, "status")[1]


def test_a_taken_port_is_refused_in_one_sentence_and_nothing_stays(home, s3):
    port = s3.endpoint.rpartition(":")[2]
    code, _, stderr = run_recsys(home, "up", "--no-airflow", "--s3-port", port)
    assert code == 4
    assert stderr.splitlines()[-1] == (f"recsys: the S3 server cannot start: port {port} is taken")
    assert wait_for_silence(home) == []


@pytest.mark.slow("kill drills")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts_leaves_no_process(home, number):
    starting = start_recsys(home, "up", "--no-airflow")
    while read_status(home) is None and starting.poll() is None:
        time.sleep(0.01)
    starting.send_signal(number)
    starting.communicate()
    assert starting.returncode == 130
    assert wait_for_silence(home) == []
