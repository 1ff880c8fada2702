"""Tells people of a run that was rejected, failed or is late: in the log, by webhook and by e-mail.

``RECSYS_ALERT_WEBHOOK`` names an address that takes ``{"text": …}`` by POST, as chat services do;
``mail`` says what e-mail needs; ``RECSYS_LATE_HOURS`` (6 by default) is how long after its start a
run counts as late. The addresses may hold secrets, so no log names them.
"""

import json
import logging
import os
import smtplib
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import DeadlineAlert, SyncCallback, get_current_context

from recsys_airflow.deadline import RunIsMade
from recsys_airflow.links import log_link, run_link, task_of
from recsys_airflow.mail import mail
from recsys_tasks.config.redaction import redacted
from recsys_tasks.errors import SettingsError
from recsys_tasks.printable import printable
from recsys_tasks.report.headline import headline

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10

ENDED = ("success", "failed")
"""States of a run that is no longer late, whatever became of it."""


def alert_of(written: Mapping[str, Any]) -> bool:
    """Sends an alert if the run that a report was written of ended without a champion.

    Args:
        written: what ``Steps.report`` returned.

    Returns:
        whether there was something to tell.
    """
    if not written["reason"]:
        return False
    dag_run = get_current_context()["dag_run"]
    names = (dag_run.dag_id, dag_run.run_id)
    task = task_of(written.get("failed_task") or written["reason"].partition(": ")[0])
    tell(
        f"{dag_run.dag_id} {dag_run.run_id}: {headline(written)}\n"
        f"{written['reason']}\n"
        f"report: {run_link(*names)}/plugin/recommender-report\n"
        f"log of {task}: {log_link(*names, task)}\n"
        f"run: {run_link(*names)}\n"
        f"version: {written['version']} of {written['dataset']}"
    )
    return True


def report_failed(context: Mapping[str, Any]) -> None:
    """Airflow's callback for a report that could not be written, and so could not tell itself."""
    dag_run = context["dag_run"]
    link = run_link(dag_run.dag_id, dag_run.run_id)
    tell(f"{dag_run.dag_id} {dag_run.run_id}: its report failed, look at the run: {link}")


def late(context: Mapping[str, Any] | None = None, hours: float = 0.0) -> None:
    """Airflow's callback for a run that is not done in time.

    Airflow drops the deadlines of a run that succeeds, and keeps those of one that failed: its report has
    told of that.
    """
    run = (context or {}).get("dag_run") or {}
    found = run if isinstance(run, Mapping) else vars(run)
    if found.get("state") in ENDED:
        log.info("done before its deadline: %s", found["state"])
        return
    dag_id, run_id = (
        found.get("dag_id", "recsys_train"),
        found.get("run_id") or found.get("dag_run_id"),
    )
    link = run_link(str(dag_id), str(run_id))
    tell(f"{dag_id} {run_id}: late, not done after {hours:g} hours\nrun: {link}")


def deadline() -> DeadlineAlert:
    """Tells of a run that is not done ``RECSYS_LATE_HOURS`` after it was made."""
    hours = float(os.environ.get("RECSYS_LATE_HOURS", "6"))
    return DeadlineAlert(
        reference=RunIsMade(),
        interval=timedelta(hours=hours),
        callback=SyncCallback("recsys_airflow.alerts.late", kwargs={"hours": hours}),
    )


def tell(text: str) -> None:
    """Logs the text, posts and mails it. What is away is a warning: the alert must not fail a task."""
    text = printable(redacted(text), lines=True)
    log.error("%s", text)
    try:
        _post(text)
    except (urllib.error.URLError, OSError, ValueError) as error:
        log.warning("the alert's webhook did not take it: %s", type(error).__name__)
    try:
        mail(text)
    except SettingsError as error:
        log.warning("the alert was not mailed: %s", error)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        log.warning("the alert's mail server did not take it: %s", type(error).__name__)


def _post(text: str) -> None:
    address = os.environ.get("RECSYS_ALERT_WEBHOOK")
    if not address:
        return
    body, kind = json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(address, data=body, headers=kind)
    urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()
