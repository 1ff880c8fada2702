"""Alerts: what is told, to whom, and that telling never fails a task nor gives an address away."""

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.airflow

RUN = SimpleNamespace(dag_id="recsys_train", run_id="manual__1")


@pytest.fixture
def webhook(monkeypatch):
    """A chat service that keeps what it is told."""
    told = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("RECSYS_ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_port}/s3cret")
    yield told
    server.shutdown()


@pytest.fixture
def alerts(monkeypatch):
    from recsys_airflow import alerts

    monkeypatch.setattr(alerts, "get_current_context", lambda: {"dag_run": RUN})
    return alerts


def test_a_rejected_run_is_told_with_reason_run_and_report(alerts, webhook):
    assert alerts.alert_of({"report": "m/runs/v/report.html", "failure": "gate: too low"})
    (text,) = webhook
    assert "gate: too low" in text
    assert "/dags/recsys_train/runs/manual__1" in text
    assert "m/runs/v/report.html" in text


def test_a_run_with_a_champion_is_not_told(alerts, webhook):
    assert not alerts.alert_of({"report": "m/runs/v/report.html", "failure": ""})
    assert webhook == []


def test_a_late_run_is_told_with_its_hours(alerts, webhook):
    alerts.late({"dag_run": {"dag_id": "recsys_train", "run_id": "manual__1"}}, hours=6)
    assert "late, not done after 6 hours" in webhook[0]


def test_a_report_that_failed_is_told(alerts, webhook):
    alerts.report_failed({"dag_run": RUN})
    assert "its report failed" in webhook[0]


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/s3cret", "no address s3cret"])
def test_a_webhook_that_is_away_is_a_warning_without_its_address(
    alerts, monkeypatch, caplog, address
):
    monkeypatch.setenv("RECSYS_ALERT_WEBHOOK", address)
    with caplog.at_level(logging.WARNING):
        alerts.tell("rejected")
    assert "did not take it" in caplog.text
    assert "s3cret" not in caplog.text


def test_the_nightly_run_has_a_deadline():
    import recsys_train

    (deadline,) = recsys_train.recsys_train().deadline
    assert deadline.interval.total_seconds() == 6 * 3600


def test_no_person_is_asked_unless_a_waiting_time_is_set(monkeypatch):
    from recsys_airflow.approval import approval

    monkeypatch.delenv("RECSYS_APPROVAL_HOURS", raising=False)
    assert approval() == []


def test_an_approval_has_a_time_limit_and_a_rejection_fails_the_run(monkeypatch):
    import recsys_train

    monkeypatch.setenv("RECSYS_APPROVAL_HOURS", "12")
    dag = recsys_train.recsys_train()
    approve = dag.get_task("approve")
    assert approve.response_timeout.total_seconds() == 12 * 3600
    assert approve.fail_on_reject
    assert approve.upstream_task_ids == {"verify"}
    assert approve.downstream_task_ids == {"promote"}
