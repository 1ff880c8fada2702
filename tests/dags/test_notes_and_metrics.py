"""What a run that ends leaves in Airflow's note of it and with the operator's metrics.

A DAG with the nightly run's name and last task runs in a process of its own, whose StatsD is a socket
here: Airflow's own code calls the note's listener, and its StatsD client sends.
"""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.report.headline import headline

pytestmark = [pytest.mark.airflow, pytest.mark.services]

RUN = """
import json, sys
from airflow.sdk import dag, task
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics.stats_utils import get_stats_factory
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
written = json.loads(sys.argv[1])

@dag(schedule=None)
def recsys_train():
    @task
    def report():
        from recsys_airflow.metrics import send_metrics
        stats.initialize(factory=get_stats_factory(), export_legacy_names=False)
        send_metrics(written)
        return written
    report()

run = recsys_train().test(run_conf={})
with create_session() as session:  # what the scheduler does with a run that it ends
    session.get(DagRun, run.id).notify_dagrun_state_changed(msg="success")
with create_session() as session:
    found = session.get(DagRun, run.id)
    print(json.dumps({"state": found.state, "note": found.note}))
"""

WRITTEN = {
    "report": "movielens/runs/v/report.html",
    "dataset": "movielens",
    "version": "20261124T030000Z-00000001",
    "verdict": "rejected",
    "reason": "gate: precision@5 as served is 0.0123, must be at least 0.05",
    "metrics": {
        "precision_at_5": 0.0123,
        "popular_precision_at_5": 0.1,
        "recall_at_10": 0.02,
        "ndcg_at_10": 0.03,
        "index_recall_at_10": 0.98,
    },
    "rows": {"loaded": 100, "rejected": 2, "users": 10},
    "seconds": {"train": 1.5},
    "checks": {"rating_drift": 0.02},
    "peak_mb": {"train": 300},
}

MOVED = datetime(2026, 11, 23, 3, 9, 27, tzinfo=UTC)
POINTER = {
    "version": "20261123T030000Z-00000001",
    "manifest_sha256": "0" * 64,
    "promoted_by": "recsys_train/scheduled__1",
    "previous": None,
    "move": 1,
    "moved_at": "2026-11-23T03:09:27Z",
}


@pytest.fixture(scope="module")
def ended(
    s3: StoreAccess, project: Path, make_home: Callable[[], dict[str, str]]
) -> tuple[dict[str, str], set[str]]:
    """The run as Airflow then knows it, and the lines that StatsD was sent."""
    access = replace(s3, bucket="notes-and-metrics")
    store = ObjectStore(access)
    store.ensure_bucket()
    store.put_json(keys.pointer("movielens"), POINTER)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        said = _run(project, make_home(), access, listener.getsockname()[1])
        lines = _received(listener)
    return json.loads(said.splitlines()[-1]), lines


def _run(project: Path, home: dict[str, str], s3: StoreAccess, port: int) -> str:
    extra = {"endpoint_url": s3.endpoint, "bucket": s3.bucket}
    connection = {"conn_type": "generic", "login": s3.access_key, "password": s3.secret_key}
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(WRITTEN)],
        env=os.environ
        | home
        | {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_PORT": str(port),
            "AIRFLOW_CONN_RECSYS_S3": json.dumps(connection | {"extra": extra}),
            "PYTHONPATH": str(project / "plugins"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _received(listener: socket.socket) -> set[str]:
    """All datagrams that have arrived; the sender has ended, so nothing more comes."""
    listener.setblocking(False)
    lines = set()
    while True:
        try:
            lines.add(listener.recv(65536).decode())
        except BlockingIOError:
            return lines


def test_a_run_that_ends_is_noted_with_verdict_version_and_reason(ended) -> None:
    run, _ = ended
    assert run["state"] == "success"
    first, _, rest = run["note"].partition("\n\n")
    assert first == headline(WRITTEN)
    assert rest.startswith(f"Version {WRITTEN['version']}, precision@5 0.0123 (popular list 0.1)")
    assert WRITTEN["reason"] in run["note"]


def test_a_note_by_a_person_stays_and_our_own_is_brought_up_to_date() -> None:
    from airflow.models.dagrun import DagRunNote

    from recsys_airflow.run_notes import AUTHOR, replaced

    theirs, ours = DagRunNote("look at this", "anna"), DagRunNote("Rejected: …", AUTHOR)
    assert replaced(theirs, "Accepted: …").content == "look at this"
    assert replaced(ours, "Accepted: …").content == "Accepted: …"
    assert replaced(None, "Accepted: …").user_id == AUTHOR


def test_a_long_reason_is_cut_to_what_a_note_holds() -> None:
    from recsys_airflow.run_notes import LONGEST, note_of

    assert len(note_of(WRITTEN | {"reason": "x" * 5000})) == LONGEST


def test_a_run_sends_its_numbers_to_statsd(ended) -> None:
    _, lines = ended
    prefix = "airflow.recsys.movielens"
    assert {
        f"{prefix}.verdict.rejected:1|c",
        f"{prefix}.precision_at_5:0.0123|g",
        f"{prefix}.rows.loaded:100|g",
        f"{prefix}.rows.rejected:2|g",
        f"{prefix}.peak_mb.train:300|g",
        f"{prefix}.duration.train:1500.000000|ms",
        f"{prefix}.champion_moved_at:{MOVED.timestamp():.0f}|g",
    } <= lines


def _mapped(name: str, mappings: list[dict[str, str]]) -> str | None:
    """The Prometheus name of a StatsD name, by the first mapping that fits."""
    for mapping in mappings:
        pattern = re.escape(mapping["match"]).replace(r"\*", "([^.]+)")
        if found := re.fullmatch(pattern, name):
            return re.sub(r"\$(\d)", lambda group: found[int(group[1])], mapping["name"])
    return None


def test_the_dashboard_asks_for_what_is_sent_and_the_docs_name_it(ended, project: Path) -> None:
    _, lines = ended
    folder = project / "docs" / "metrics"
    mappings = yaml.safe_load((folder / "statsd_mapping.yml").read_text())["mappings"]
    names = {line.partition(":")[0] for line in lines if ".recsys." in line}
    sent = {_mapped(name, mappings) for name in names}
    timed = {"recsys_duration_seconds_sum", "recsys_duration_seconds_count"}
    asked = set(re.findall(r"recsys_\w+", (folder / "grafana_dashboard.json").read_text()))
    assert asked - timed == sent - {"recsys_duration_seconds"}
    page = (project / "docs" / "operations.md").read_text()
    ours = [name.removeprefix("airflow.recsys.movielens.") for name in names]
    assert [name for name in ours if not _named(name, page)] == []


def _named(name: str, page: str) -> bool:
    general = re.sub(r"^(duration|peak_mb)\..*", r"\1.<task>", name)
    general = re.sub(r"^check\..*", "check.<name>", general)
    return f"`{general}`" in page
