"""A client of Airflow's REST API: trigger a run, follow it, read a failed task's log, make an asset's event."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from recsys_tasks.errors import AirflowUnavailable, SettingsError

FINISHED = {"success", "failed", "skipped", "upstream_failed", "removed"}


@dataclass(frozen=True)
class TriggeredRun:
    """A run of a DAG; ``run_after`` is timezone-aware."""

    dag_id: str
    run_id: str
    run_after: datetime


@dataclass(frozen=True)
class TaskState:
    """One task of a run; ``seconds`` of its last try, 0 while it runs; ``state`` empty before it.

    ``host``: where that try ran or runs; empty before it.
    """

    name: str
    state: str
    seconds: float
    tries: int
    host: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINISHED


class AirflowApi:
    """Airflow's public API, version 2, logged in.

    Args:
        url: of the API server, without ``/api/v2``.
        user, password: as ``recsys env`` gives them.

    Raises:
        AirflowUnavailable: no answer, or the login is refused.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy has no business with loopback
        login = {"username": user, "password": password}
        token = self._call("POST", "/auth/token", json=login)["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def wait_for_dag(self, dag_id: str, seconds: float = 60.0) -> bool:
        """Waits until Airflow has read the DAG's file.

        Returns:
            whether the DAG is paused.

        Raises:
            AirflowUnavailable: it did not appear; the message holds what went wrong in its file.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            known = self._call(
                "GET", "/api/v2/dags", params={"dag_id_pattern": dag_id, "limit": 50}
            )
            for dag in known["dags"]:
                if dag["dag_id"] == dag_id:
                    return bool(dag["is_paused"])
            time.sleep(0.3)
        raise AirflowUnavailable(f"Airflow does not show the DAG {dag_id}{self._import_errors()}")

    def set_paused(self, dag_id: str, paused: bool) -> None:
        """Pauses or resumes a DAG."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": paused})

    def trigger(
        self,
        dag_id: str,
        run_id: str,
        conf: Mapping[str, Any],
        run_after: datetime | None = None,
    ) -> TriggeredRun:
        """Starts a run without a logical date, dated ``run_after`` (now by default).

        Raises:
            SettingsError: Airflow refuses the conf or knows the run's id; the message is Airflow's.
        """
        body: dict[str, Any] = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        if run_after is not None:
            body["run_after"] = run_after.isoformat()
        run = self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        moment = datetime.fromisoformat(run["run_after"])
        return TriggeredRun(dag_id, run["dag_run_id"], moment)

    def active_runs(self, dag_id: str) -> tuple[TriggeredRun, ...]:
        """The runs that wait or work, oldest first."""
        query = {"state": ["queued", "running"], "order_by": "run_after"}
        listed = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=query)
        return tuple(
            TriggeredRun(dag_id, run["dag_run_id"], datetime.fromisoformat(run["run_after"]))
            for run in listed["dag_runs"]
        )

    def give_up(self, run: TriggeredRun) -> None:
        """Marks a run failed: the task at work too, and the rest skipped."""
        self._call("PATCH", _path(run), json={"state": "failed"})
        # Airflow leaves teardown tasks to run, and the run open until they have.
        for task in self.tasks(run):
            if not task.is_finished:
                path = f"{_path(run)}/taskInstances/{task.name}"
                self._call("PATCH", path, json={"new_state": "skipped"})
        self._call("PATCH", _path(run), json={"state": "failed"})

    def run_state(self, run: TriggeredRun) -> str:
        """``queued``, ``running``, ``success`` or ``failed``."""
        return str(self._call("GET", _path(run))["state"])

    def tasks(self, run: TriggeredRun) -> tuple[TaskState, ...]:
        """Every task of the run, in no order."""
        listed = self._call("GET", f"{_path(run)}/taskInstances", params={"limit": 100})
        return tuple(
            TaskState(
                name=task["task_id"],
                state=task["state"] or "",
                seconds=float(task["duration"] or 0),
                tries=int(task["try_number"]),
                host=task["hostname"] or "",
            )
            for task in listed["task_instances"]
        )

    def returned(self, run: TriggeredRun, task: str) -> Any:
        """What a task returned; None when it returned nothing."""
        path = f"{_path(run)}/taskInstances/{task}/xcomEntries/return_value"
        try:
            return self._call("GET", path, params={"deserialize": "true"})["value"]
        except SettingsError:
            return None

    def log_lines(self, run: TriggeredRun, task: TaskState) -> list[str]:
        """The log of a task's last try, as a person reads it."""
        path = f"{_path(run)}/taskInstances/{task.name}/logs/{task.tries}"
        entries = self._call("GET", path, headers={"Accept": "application/json"})["content"]
        return [line for entry in entries for line in _readable(entry)]

    def send_asset_event(self, name: str, extra: Mapping[str, Any]) -> bool:
        """Makes an event of an asset, which starts the DAGs that wait for it; False: no such asset."""
        listed = self._call("GET", "/api/v2/assets", params={"name_pattern": name})
        found = [asset["id"] for asset in listed["assets"] if asset["name"] == name]
        for asset_id in found[:1]:
            body = {"asset_id": asset_id, "extra": dict(extra)}
            self._call("POST", "/api/v2/assets/events", json=body)
        return bool(found)

    def _import_errors(self) -> str:
        found = self._call("GET", "/api/v2/importErrors")["import_errors"]
        return "".join(f"\n{error['filename']}: {error['stack_trace']}" for error in found)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._session.request(method, self.url + path, timeout=60, **options)
        except requests.RequestException as error:
            raise AirflowUnavailable(f"Airflow at {self.url} does not answer: {error}") from None
        if answer.status_code in (400, 404, 409, 422):
            raise SettingsError(f"Airflow refuses: {_detail(answer)}")
        if not answer.ok:
            raise AirflowUnavailable(f"{method} {path}: {answer.status_code} {_detail(answer)}")
        return answer.json()


def _path(run: TriggeredRun) -> str:
    return f"/api/v2/dags/{run.dag_id}/dagRuns/{quote(run.run_id, safe='')}"


def _detail(answer: requests.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]


def _readable(entry: Any) -> list[str]:
    """A log entry's own sentence and an exception's last line, without colours and fold marks."""
    if isinstance(entry, str):
        return [entry]
    event = re.sub(r"\x1b\[[0-9;]*m", "", str(entry.get("event", "")))
    if event.startswith(("::group::", "::endgroup::")):
        return []
    details = entry.get("error_detail") or []
    return [event, *(f"{one['exc_type']}: {one['exc_value']}" for one in details)]
