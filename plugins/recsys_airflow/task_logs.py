"""Task logs in the bucket: written while the task runs, read by the UI for every try.

``AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS=recsys_airflow.task_logs.LOGGING_CONFIG`` switches it on, in
every service. The bucket is the one of ``AIRFLOW_CONN_RECSYS_S3`` (JSON form, in the environment).

The process that watches a task writes its log to a file, secrets masked. A thread beside it copies the
file to ``airflow-logs/<log's path>/<host>`` whenever it has grown, so that a killed worker's log is
there as far as it got; where the store is away when a task ends, for an hour after that, so that the log
which says so arrives. ``recsys_retention`` removes old ones.
"""

import json
import math
import os
import socket
import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG as LOGGING_CONFIG

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import NotFound, RecsysError

if TYPE_CHECKING:
    from recsys_tasks.artifacts.object_store import ObjectStore

__all__ = ["LOGGING_CONFIG", "REMOTE_TASK_LOG", "StoreLogs", "remove_logs"]

PREFIX = "airflow-logs/"
"""No dataset's: their names have no hyphen."""

TASKS = "dag_id="
"""How a task's log begins; other logs of Airflow's stay where they are."""

SECONDS = 3.0
"""Between two looks at a log; longer for a long one, see ``_Copier``."""

LATEST = 3600.0
"""Seconds after a task's end in which its log may still be copied."""


class StoreLogs:
    """Airflow's ``RemoteLogIO`` over the project's own bucket."""

    def __init__(self) -> None:
        self._copiers: dict[str, _Copier] = {}

    @property
    def processors(self) -> tuple[Any, ...]:
        """Called with every line of a log; the first one of a file starts its copier."""
        return (self._watch,)

    def upload(self, path: os.PathLike[str] | str, ti: Any = None) -> None:  # noqa: ARG002 - the protocol names it
        """Airflow's call at the end of a task: the last copy; Airflow logs what the store has against it."""
        self._copier(os.fspath(path)).finish()
        self._copiers = {name: one for name, one in self._copiers.items() if one.is_alive()}

    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str]]:  # noqa: ARG002 - as above
        """Names and contents of what the hosts that worked on this try left."""
        try:
            store = _store()
            keys = [found.key for found in store.list(f"{PREFIX}{relative_path}/")]
            texts = [store.get(key).decode(errors="replace") for key in keys]
        except RecsysError as error:
            return [f"The bucket's logs cannot be read: {error}"], []
        return [f"s3://{store.bucket}/{key}" for key in keys], texts

    def _watch(self, logger: Any, _method: str, event: Any) -> Any:
        name = getattr(getattr(logger, "_file", None), "name", None)
        if isinstance(name, str) and name.startswith(f"{_base()}/{TASKS}"):
            relative = Path(name).relative_to(_base()).as_posix()
            self._copier(relative)
        return event

    def _copier(self, relative: str) -> "_Copier":
        if relative not in self._copiers:
            self._copiers[relative] = _Copier(_base() / relative, relative)
            self._copiers[relative].start()
        return self._copiers[relative]


class _Copier(threading.Thread):
    """Copies one growing file until it is told that the file is complete, and has copied all of it."""

    def __init__(self, file: Path, relative: str) -> None:
        super().__init__(daemon=True, name=f"copies {relative}")
        self.file, self.key = file, f"{PREFIX}{relative}/{_host()}"
        self._copying = threading.Lock()
        self._copied = 0
        self._complete, self._delivered = False, threading.Event()
        self._give_up = math.inf

    def run(self) -> None:
        while not self._delivered.wait(SECONDS * (1 + self._copied / 2**20)):
            if time.monotonic() > self._give_up:
                return
            with suppress(RecsysError):  # the store is away: the next look will tell
                self._copy()

    def finish(self) -> None:
        """The last copy; raises what the store has against it, and tries on beside the next task."""
        self._complete, self._give_up = True, time.monotonic() + LATEST
        self._copy()

    def _copy(self) -> None:
        with self._copying:
            is_last, content = self._complete, self.file.read_bytes()
            if len(content) > self._copied:
                _store().put(self.key, content)
                self._copied = len(content)
            if is_last:
                self._delivered.set()


def remove_logs(store: "ObjectStore", before: datetime, dry_run: bool) -> int:
    """Removes, or only counts, the logs last written before a moment."""
    old = [found for found in store.list(PREFIX) if found.modified < before]
    for found in () if dry_run else old:
        store.delete(found.key)
    return len(old)


def _store() -> "ObjectStore":
    """The bucket, with little patience: a log must not hold up a task."""
    from recsys_tasks.artifacts.object_store import ObjectStore, Patience

    try:
        found = json.loads(os.environ["AIRFLOW_CONN_RECSYS_S3"])
        extra = found.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
        access = StoreAccess.of_connection(found.get("login"), found.get("password"), extra)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise NotFound("AIRFLOW_CONN_RECSYS_S3 in JSON form is not in the environment") from None
    return ObjectStore(access, Patience(tries=2, deadline=20, read_timeout=10))


def _base() -> Path:
    from airflow.configuration import conf

    return Path(conf.get("logging", "base_log_folder"))


def _host() -> str:
    from airflow.utils.net import get_hostname

    return str(get_hostname() or socket.gethostname())  # type: ignore[no-untyped-call]  # Airflow's


REMOTE_TASK_LOG = StoreLogs()
