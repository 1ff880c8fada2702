"""What Airflow's processes are told by their environment."""

import json
from pathlib import Path

import pytest

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.devstack.airflow_services import AirflowPlan, environment, prepare
from recsys_tasks.devstack.credentials import Credentials


@pytest.fixture
def plan(tmp_path):
    return AirflowPlan(
        home=tmp_path,
        dags=Path("/project/dags"),
        plugins=Path("/project/plugins"),
        port=8099,
        database_port=55499,
        store=StoreAccess("http://127.0.0.1:9099", "recsys", "key", "secret"),
        credentials=Credentials(),
    )


def test_nothing_listens_beyond_loopback(plan):
    environ = environment(plan)
    assert environ["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8099/execution/"


def test_the_settings_of_another_airflow_do_not_leak_in(plan, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", "mysql://elsewhere")
    environ = environment(plan)
    assert environ["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert "AIRFLOW_CONN_OTHER" not in environ


def test_there_is_a_user_who_may_only_look(plan):
    prepare(plan)
    environ, secrets = environment(plan), plan.credentials
    passwords = Path(environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    assert environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "admin:admin,viewer:viewer"
    assert json.loads(passwords.read_text()) == {
        "admin": secrets.airflow_admin,
        "viewer": secrets.airflow_viewer,
    }
    assert secrets.airflow_viewer != secrets.airflow_admin


def test_where_metrics_go_is_the_callers_to_say(plan, monkeypatch):
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
    assert environment(plan)["AIRFLOW__METRICS__STATSD_ON"] == "True"


def test_the_two_connections_are_in_airflows_json_form(plan):
    environ = environment(plan)
    database = json.loads(environ["AIRFLOW_CONN_RECSYS_DB"])
    store = json.loads(environ["AIRFLOW_CONN_RECSYS_S3"])
    assert (database["conn_type"], database["port"], database["schema"]) == (
        "postgres",
        55499,
        "recsys",
    )
    assert store["extra"] == {"endpoint_url": "http://127.0.0.1:9099", "bucket": "recsys"}


def test_a_proxy_of_this_machine_is_not_asked_for_loopback(plan, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "intranet")
    assert environment(plan)["NO_PROXY"] == "intranet,127.0.0.1,localhost"
