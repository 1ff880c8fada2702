"""Live runs under Airflow with secrets planted in source, store, database and webhooks leave none of them anywhere."""

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
import requests
from small_source import write_source
from stack_processes import run_recsys, wait_for_silence

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.pipeline.airflow_api import AirflowApi, TriggeredRun

pytestmark = [pytest.mark.airflow, pytest.mark.services, pytest.mark.slow("secrets")]

LOGIN, SIGNATURE = "planted-login-1a", "planted-signature-2b"
ALERTS, PROMOTIONS, SIGNS = "planted-alerts-3c", "planted-moves-4d", "planted-signs-5e"
MAIL = "planted-mail-6f"
SMALL = {"preset": "quick", "index.trees": 3, "gate.min_popular_ratio": 0.0}


class Site(SimpleHTTPRequestHandler):
    """Gives the source's files, and keeps what the two webhooks are sent."""

    told: list[str]

    def do_POST(self) -> None:
        """Takes an alert, or a promotion."""
        length = int(self.headers["Content-Length"])
        self.told.append(f"{self.path}\n{self.rfile.read(length).decode()}")
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """Host and port of the source, and what its webhooks were told."""
    folder = tmp_path_factory.mktemp("source")
    write_source(folder)
    told: list[str] = []
    handler = type("Handler", (Site,), {"told": told})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    yield f"127.0.0.1:{server.server_port}", told
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def stack(
    service_home: Path, site: tuple[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, dict[str, str]]]:
    """A stack whose deployer's settings and webhooks hold secrets; its connections."""
    place, home = site[0], service_home / "secrets"
    query = f"X-Amz-Signature={SIGNATURE}&token={SIGNATURE}"
    lines = [
        f'{role} = "http://me:{LOGIN}@{place}/{role}.csv?{query}"' for role in ("movies", "ratings")
    ]
    settings = tmp_path_factory.mktemp("settings") / "deployer.toml"
    settings.write_text("\n".join(['dataset = "guarded"', "[source]", *lines]))
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "RECSYS_SETTINGS": str(settings),
            "RECSYS_SOURCE_HOSTS": "127.0.0.1",
            "RECSYS_ALERT_WEBHOOK": f"http://{place}/{ALERTS}",
            "RECSYS_PROMOTION_WEBHOOK": f"http://{place}/{PROMOTIONS}",
            "RECSYS_PROMOTION_SECRET": SIGNS,
            "RECSYS_ALERT_EMAIL": "nobody@localhost",
            "RECSYS_SMTP_URL": f"smtps://me:{MAIL}@127.0.0.1:9",
        }.items():
            environment.setenv(name, value)
        code, _, stderr = run_recsys(home, "up")
        assert code == 0, stderr
        yield home, json.loads(run_recsys(home, "env", "--json")[1])
        assert run_recsys(home, "down")[0] == 0
        assert wait_for_silence(home) == []


@pytest.fixture(scope="module")
def runs(stack: tuple[Path, dict[str, str]]) -> tuple[AirflowApi, list[TriggeredRun]]:
    """One run that is promoted, and one that the gate rejects."""
    _, env = stack
    api = AirflowApi(env["AIRFLOW_API_URL"], env["AIRFLOW_USER"], env["AIRFLOW_PASSWORD"])
    api.wait_for_dag("recsys_train")
    api.set_paused("recsys_train", False)
    ended = []
    for name, conf, state in (
        ("accepted", SMALL, "success"),
        ("rejected", SMALL | {"gate.min_precision": 1.0}, "failed"),
    ):
        run = api.trigger("recsys_train", name, conf)
        deadline = time.monotonic() + 900
        while (now := api.run_state(run)) not in ("success", "failed"):
            assert time.monotonic() < deadline, api.tasks(run)
            time.sleep(1)
        assert now == state, [(task.name, task.state) for task in api.tasks(run)]
        ended.append(run)
    return api, ended


def answers(env: dict[str, str], runs: list[TriggeredRun]) -> Iterator[tuple[str, str]]:
    """Whatever Airflow's API tells of the DAG and its runs: parameters, notes, XCom, logs."""
    session, url = requests.Session(), env["AIRFLOW_API_URL"]
    login = {"username": env["AIRFLOW_USER"], "password": env["AIRFLOW_PASSWORD"]}
    token = session.post(f"{url}/auth/token", json=login).json()["access_token"]
    session.headers["Authorization"] = f"Bearer {token}"
    of_dag = f"{url}/api/v2/dags/recsys_train"
    paths = [f"{of_dag}/details", f"{of_dag}/dagRuns"]
    for run in runs:
        of_run = f"{of_dag}/dagRuns/{run.run_id}/taskInstances"
        listed = session.get(of_run, params={"limit": 100}).json()["task_instances"]
        paths.append(of_run)
        for task in listed:
            of_task = f"{of_run}/{task['task_id']}"
            entries = session.get(f"{of_task}/xcomEntries").json().get("xcom_entries", [])
            paths += [f"{of_task}/xcomEntries/{entry['key']}" for entry in entries]
            paths += [f"{of_task}/logs/{n}" for n in range(1, task["try_number"] + 1)]
    for path in paths:
        answer = session.get(path, headers={"Accept": "application/json"})
        assert answer.ok, path
        yield path, answer.text


def found_in(secrets: list[str], places: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(place, secret) for place, text in places for secret in secrets if secret in text]


def test_no_secret_is_in_logs_xcom_notes_alerts_outcome_report_or_published_files(
    stack: tuple[Path, dict[str, str]],
    runs: tuple[AirflowApi, list[TriggeredRun]],
    site: tuple[str, list[str]],
) -> None:
    (home, env), (_, ended), (_, told) = stack, runs, site
    password = str(urlsplit(env["RECSYS_DB_URL"]).password)
    planted = [LOGIN, SIGNATURE, ALERTS, PROMOTIONS, SIGNS, MAIL]
    secrets = [*planted, password, env["AWS_SECRET_ACCESS_KEY"]]

    told_by_airflow = list(answers(env, ended))
    assert sum("/logs/" in path for path, _ in told_by_airflow) > 20
    assert sum("/xcomEntries/" in path for path, _ in told_by_airflow) > 10
    assert found_in(secrets, iter(told_by_airflow)) == []

    sent = [one.partition("\n") for one in told]
    assert {path for path, _, _ in sent} == {f"/{ALERTS}", f"/{PROMOTIONS}"}
    assert found_in(secrets, ((path, body) for path, _, body in sent)) == []

    access = StoreAccess(
        endpoint=env["RECSYS_S3_ENDPOINT"],
        bucket=env["RECSYS_S3_BUCKET"],
        access_key=env["AWS_ACCESS_KEY_ID"],
        secret_key=env["AWS_SECRET_ACCESS_KEY"],
    )
    store = ObjectStore(access)
    objects = [(one.key, store.get(one.key).decode("latin-1")) for one in store.list("")]
    names = {key.rpartition("/")[2] for key, _ in objects}
    assert {"manifest.json", "report.html", "outcome.json"} <= names
    assert found_in(secrets, iter(objects)) == []

    connection = psycopg2.connect(env["RECSYS_DB_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM guarded.ingested_files")
        assert found_in(secrets, iter([("ingested_files", str(cursor.fetchall()))])) == []
    connection.close()

    logs = [(str(path), path.read_text(errors="replace")) for path in home.rglob("*.log")]
    assert logs
    assert found_in(secrets, iter(logs)) == []
