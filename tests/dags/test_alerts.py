"""Alerts: what is told, to whom, and that telling never fails a task nor gives an address away."""

import json
import logging
import os
import re
import threading
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from mail_server import mail_server

from recsys_tasks.report.headline import headline

pytestmark = pytest.mark.airflow

RUN = SimpleNamespace(dag_id="recsys_train", run_id="manual__1")
REJECTED = {
    "report": "m/runs/v/report.html",
    "verdict": "rejected",
    "reason": "gate: too low",
    "version": "20261124T030000Z-00000001",
    "dataset": "m",
}


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
    assert alerts.alert_of(REJECTED)
    (text,) = webhook
    assert f"recsys_train manual__1: {headline(REJECTED)}" in text.splitlines()
    assert re.search(r"^log of gate: \S*/dags/recsys_train/runs/manual__1/tasks/gate$", text, re.M)
    assert "/dags/recsys_train/runs/manual__1\n" in text
    assert "/dags/recsys_train/runs/manual__1/plugin/recommender-report\n" in text
    assert REJECTED["version"] in text


def test_a_run_with_a_champion_is_not_told(alerts, webhook):
    assert not alerts.alert_of(REJECTED | {"verdict": "accepted", "reason": ""})
    assert webhook == []


def test_a_late_run_is_told_with_its_hours(alerts, webhook):
    alerts.late({"dag_run": {"dag_id": "recsys_train", "run_id": "manual__1"}}, hours=6)
    assert "late, not done after 6 hours" in webhook[0]


@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_run_that_ended_is_not_told_again_as_late(alerts, webhook, state):
    run = {"dag_id": "recsys_train", "run_id": "manual__1", "state": state}
    alerts.late({"dag_run": run}, hours=6)
    assert webhook == []
    alerts.late({"dag_run": run | {"state": "running"}}, hours=6)
    assert len(webhook) == 1


def test_airflow_tells_the_deadlines_callback_the_runs_state():
    """As its scheduler makes the context of a deadline that was missed."""
    from airflow.api_fastapi.core_api.datamodels.dag_run import DAGRunResponse

    assert "state" in DAGRunResponse.model_fields


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


@pytest.fixture
def mailbox(monkeypatch):
    """The messages that a mail server got."""
    with mail_server() as (address, kept):
        monkeypatch.setenv("RECSYS_ALERT_EMAIL", "anna@example.org, ben@example.org")
        monkeypatch.setenv("RECSYS_SMTP_URL", address)
        yield kept


def test_a_rejected_run_is_mailed_with_reason_run_and_report(alerts, mailbox):
    assert alerts.alert_of(REJECTED)
    (raw,) = mailbox
    message = message_from_bytes(raw, policy=default)
    assert message["to"] == "anna@example.org, ben@example.org"
    assert message["subject"] == f"recsys_train manual__1: {headline(REJECTED)}"
    assert "/runs/manual__1/plugin/recommender-report" in message.get_content()


def test_a_password_is_not_sent_without_tls(alerts, mailbox, monkeypatch, caplog):
    open_address = os.environ["RECSYS_SMTP_URL"].replace("//", "//anna:s3cret@")
    monkeypatch.setenv("RECSYS_SMTP_URL", open_address)
    with caplog.at_level(logging.WARNING):
        alerts.tell("rejected")
    assert mailbox == []
    assert "offers no TLS" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("address", ["smtp://127.0.0.1:9", "smtp://s3cret:x@127.0.0.1:9", "", "x"])
def test_a_mail_server_that_is_away_is_a_warning_without_its_address(
    alerts, monkeypatch, caplog, address
):
    monkeypatch.setenv("RECSYS_ALERT_EMAIL", "anna@example.org")
    monkeypatch.setenv("RECSYS_SMTP_URL", address)
    with caplog.at_level(logging.WARNING):
        alerts.tell("rejected")
    assert "mail" in caplog.records[-1].message
    assert "s3cret" not in caplog.text


def test_the_nightly_run_has_a_deadline():
    from recsys_airflow.factory import make_dags

    (deadline,) = make_dags("train")["recsys_train"].deadline
    assert deadline.interval.total_seconds() == 6 * 3600


def test_the_deadline_counts_from_when_the_run_is_made_and_lets_tasks_be_cleared():
    from airflow.serialization.decoders import decode_deadline_reference
    from airflow.serialization.definitions.deadline import SerializedReferenceModels
    from airflow.serialization.encoders import encode_deadline_reference

    from recsys_airflow.alerts import deadline

    stored = encode_deadline_reference(deadline().reference)
    assert stored["reference_type"] != "DagRunQueuedAtDeadline"  # apache/airflow#70368
    reference = decode_deadline_reference(stored)
    assert isinstance(reference, SerializedReferenceModels.TYPES.DAGRUN)
    before = datetime.now(UTC)
    late = reference.evaluate_with(
        session=None, interval=timedelta(hours=6), dag_id="d", run_id="r"
    )
    assert before <= late - timedelta(hours=6) <= datetime.now(UTC)


def test_no_person_is_asked_unless_a_waiting_time_is_set(monkeypatch):
    from recsys_airflow.approval import approval

    monkeypatch.delenv("RECSYS_APPROVAL_HOURS", raising=False)
    assert approval() == []


def test_an_approval_has_a_time_limit_and_a_rejection_fails_the_run(monkeypatch):
    from recsys_airflow.factory import make_dags

    monkeypatch.setenv("RECSYS_APPROVAL_HOURS", "12")
    dag = make_dags("train")["recsys_train"]
    approve = dag.get_task("approve")
    assert approve.response_timeout.total_seconds() == 12 * 3600
    assert approve.fail_on_reject
    assert approve.upstream_task_ids == {"verify"}
    assert approve.downstream_task_ids == {"promote"}


class Pushed:
    """A task instance that keeps what it is given."""

    def __init__(self):
        self.left = {}

    def xcom_push(self, key, value):
        self.left[key] = value


def test_an_approver_reads_first_what_the_move_does_to_whom(monkeypatch):
    from recsys_airflow import approval_operator
    from recsys_airflow.approval import approval

    monkeypatch.setenv("RECSYS_APPROVAL_HOURS", "12")
    (waiting,) = approval()
    asked = []
    monkeypatch.setattr(
        approval_operator.ApprovalOperator, "execute", lambda self, _: asked.append(self.body)
    )
    monkeypatch.setattr(approval_operator, "settings_of_run", lambda _: None)
    monkeypatch.setattr(approval_operator, "leave_champion_alone", lambda *_: None)
    monkeypatch.setattr(approval_operator, "current_run", lambda: "this run")
    monkeypatch.setattr(approval_operator, "what_changes", lambda run: f"What {run} changes.")
    waiting.execute({"dag_run": RUN})
    assert asked[0].startswith("What this run changes.\n\n")
    assert "/recsys/datasets/" in asked[0]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            {"chosen_options": ["Reject"], "responded_by_user": {"id": "7", "name": "ann"}},
            "rejected by ann",
        ),
        (
            {"error": "no answer", "error_type": "timeout"},
            "nobody answered within 12 hours",
        ),
    ],
)
def test_a_persons_no_and_a_missing_answer_are_left_for_the_report(monkeypatch, event, said):
    from recsys_airflow.approval import approval
    from recsys_airflow.bridge import FAILURE

    monkeypatch.setenv("RECSYS_APPROVAL_HOURS", "12")
    (waiting,) = approval()
    answer = {"params_input": {}, "responded_at": datetime.now(UTC), **event}
    task = Pushed()
    with pytest.raises(Exception, match=r"Reject|error"):
        waiting.execute_complete({"ti": task, "task": waiting}, answer)
    assert said in task.left[FAILURE]
