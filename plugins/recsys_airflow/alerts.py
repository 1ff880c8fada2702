"""Tells people of a run that was rejected, failed or is late: in the log, and by webhook if there is one.

``RECSYS_ALERT_WEBHOOK`` names an address that takes ``{"text": …}`` by POST, as chat services do;
``RECSYS_LATE_HOURS`` (6 by default) is how long after its start a run counts as late. The address may
hold a secret, so no log names it.
"""

import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import DeadlineAlert, DeadlineReference, SyncCallback, conf, get_current_context

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10


def alert_of(written: Mapping[str, Any]) -> bool:
    """Sends an alert if the run that a report was written of ended without a champion.

    Args:
        written: what ``Steps.report`` returned.

    Returns:
        whether there was something to tell.
    """
    if not written["failure"]:
        return False
    dag_run = get_current_context()["dag_run"]
    tell(
        f"{dag_run.dag_id} {dag_run.run_id}: {written['failure']}\n"
        f"run: {run_link(dag_run.dag_id, dag_run.run_id)}\nreport: {written['report']}"
    )
    return True


def report_failed(context: Mapping[str, Any]) -> None:
    """Airflow's callback for a report that could not be written, and so could not tell itself."""
    dag_run = context["dag_run"]
    link = run_link(dag_run.dag_id, dag_run.run_id)
    tell(f"{dag_run.dag_id} {dag_run.run_id}: its report failed, look at the run: {link}")


def late(context: Mapping[str, Any] | None = None, hours: float = 0.0) -> None:
    """Airflow's callback for a run that is not done in time."""
    run = (context or {}).get("dag_run") or {}
    found = run if isinstance(run, Mapping) else vars(run)
    dag_id, run_id = (
        found.get("dag_id", "recsys_train"),
        found.get("run_id") or found.get("dag_run_id"),
    )
    link = run_link(str(dag_id), str(run_id))
    tell(f"{dag_id} {run_id}: late, not done after {hours:g} hours\nrun: {link}")


def deadline() -> DeadlineAlert:
    """Tells of a run that is not done ``RECSYS_LATE_HOURS`` after it was queued."""
    hours = float(os.environ.get("RECSYS_LATE_HOURS", "6"))
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=hours),
        callback=SyncCallback("recsys_airflow.alerts.late", kwargs={"hours": hours}),
    )


def run_link(dag_id: str, run_id: str) -> str:
    """Address of a run's page."""
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base}/dags/{dag_id}/runs/{run_id}"


def tell(text: str) -> None:
    """Logs the text and posts it. A webhook that is away is a warning: the alert must not fail a task."""
    log.error("%s", text)
    address = os.environ.get("RECSYS_ALERT_WEBHOOK")
    if not address:
        return
    try:
        request = urllib.request.Request(
            address,
            data=json.dumps({"text": text}).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()
    except (urllib.error.URLError, OSError, ValueError) as error:
        log.warning("the alert's webhook did not take it: %s", type(error).__name__)
