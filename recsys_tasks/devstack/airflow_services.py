"""Airflow as the embedded stack runs it: its settings, its database's migration, its three servers.

Airflow is only ever a separate process here; nothing imports it.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import requests

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.data.sources.source_policy import FOLDERS
from recsys_tasks.devstack.credentials import Credentials, write_private
from recsys_tasks.devstack.ports import LOOPBACK
from recsys_tasks.devstack.postgres import database_url
from recsys_tasks.devstack.process import Child, start_child
from recsys_tasks.errors import SettingsError

ADMIN, VIEWER = "admin", "viewer"
"""Airflow's users here, each named like its role; the second reads everything and changes nothing."""

API_SERVER, SCHEDULER, DAG_PROCESSOR = (
    "Airflow API server",
    "Airflow scheduler",
    "Airflow DAG processor",
)
LOCAL_SETTINGS = "airflow_local_settings.py"
"""What Airflow imports from its folder ``config``."""

LONGEST_TASK_SECONDS = 24 * 3600
KEPT = "AIRFLOW__METRICS__"
"""Airflow's settings that the caller may make: where its metrics go."""

PRELOADED = (
    "airflow.executors.local_executor",
    "airflow.sdk.execution_time.task_runner",
    *(
        "numpy",
        "scipy.sparse",
        "numba",
        "psycopg2",
        "sqlalchemy",
        "alembic.command",
        "boto3",
        "pydantic",
    ),
)
"""Libraries that every task would import anew; tasks are forked from a process that has them."""


@dataclass(frozen=True)
class AirflowPlan:
    """All that Airflow's servers must know."""

    home: Path
    dags: Path
    plugins: Path
    port: int
    database_port: int
    store: StoreAccess
    credentials: Credentials
    celery: Mapping[str, str] = field(default_factory=dict)
    """Settings of the Celery executor and its logs, if tasks go to workers."""

    @property
    def folder(self) -> Path:
        """``AIRFLOW_HOME``."""
        return self.home / "airflow"

    @property
    def url(self) -> str:
        """Address of the UI, and of the API below it."""
        return f"http://{LOOPBACK}:{self.port}"


def installed_version() -> str:
    """Version of Airflow here.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        return version("apache-airflow-core")
    except PackageNotFoundError:
        raise SettingsError("Airflow is not installed: install recsys-tasks[airflow]") from None


def environment(plan: AirflowPlan) -> dict[str, str]:
    """Environment of every Airflow process: the caller's, of other Airflows' settings only ``KEPT``."""
    theirs = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW") or name.startswith(KEPT)
    }
    settings = {
        f"AIRFLOW__{section}__{name}".upper(): str(value)
        for section, names in _settings(plan).items()
        for name, value in names.items()
    }
    return {
        **theirs,
        "AIRFLOW_HOME": str(plan.folder),
        "AIRFLOW_CONN_RECSYS_DB": json.dumps(_database_connection(plan)),
        "AIRFLOW_CONN_RECSYS_S3": json.dumps(_store_connection(plan)),
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), LOOPBACK, "localhost"])),
        "PYTHONUNBUFFERED": "1",
        FOLDERS: os.environ.get(FOLDERS) or _source_folders(plan),
        **settings,
        **plan.celery,
    }


def _source_folders(plan: AirflowPlan) -> str:
    """Where a run's files may lie: fetched ones, the samples, and the folder that holds the DAGs' one."""
    own = (plan.home / name for name in ("sample", "shop", "datasets"))
    folders = (*own, plan.dags.parent)
    return os.pathsep.join(map(str, folders))


def prepare(plan: AirflowPlan) -> None:
    """Writes what Airflow reads from its folder: its two users' logins, and the note of its home page."""
    plan.folder.mkdir(mode=0o700, exist_ok=True)
    passwords = {ADMIN: plan.credentials.airflow_admin, VIEWER: plan.credentials.airflow_viewer}
    write_private(plan.folder / "passwords.json", json.dumps(passwords))
    note = plan.plugins / "recsys_airflow" / LOCAL_SETTINGS
    if note.exists():
        (plan.folder / "config").mkdir(exist_ok=True)
        shutil.copy(note, plan.folder / "config" / LOCAL_SETTINGS)


def start_migration(plan: AirflowPlan) -> Child | None:
    """Brings Airflow's own tables to the installed version; None when they are there already."""
    if _stamp(plan).exists():
        return None
    return _start(plan, "Airflow's migration", "migration", ["db", "migrate"])


def stamp_migration(plan: AirflowPlan) -> None:
    """Notes that the migration is done, so that the next start is quick."""
    _stamp(plan).touch()


def start_servers(plan: AirflowPlan) -> list[Child]:
    """Starts the API server, the scheduler and the DAG processor; they need seconds to be healthy."""
    api_server = ["api-server", "--host", LOOPBACK, "--port", str(plan.port)]
    return [
        _start(plan, API_SERVER, "api-server", api_server),
        _start(plan, SCHEDULER, "scheduler", ["scheduler", "--skip-serve-logs"]),
        _start(plan, DAG_PROCESSOR, "dag-processor", ["dag-processor"]),
    ]


def healthy_servers(plan: AirflowPlan, since: str) -> set[str]:
    """Names of the servers that answer or gave a sign of life after ``since`` (ISO 8601, UTC)."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            # The first request to the tasks' API makes its schemas, which takes seconds: now, and
            # not while a task waits for it.
            session.get(f"{plan.url}/execution/health", timeout=60).raise_for_status()
            answer = session.get(f"{plan.url}/api/v2/monitor/health", timeout=5)
            answer.raise_for_status()
            health: dict[str, Any] = answer.json()
    except (requests.RequestException, ValueError):
        return set()
    beats = {
        SCHEDULER: health["scheduler"]["latest_scheduler_heartbeat"],
        DAG_PROCESSOR: health["dag_processor"]["latest_dag_processor_heartbeat"],
    }
    return {API_SERVER, *(name for name, beat in beats.items() if beat and beat > since)}


def _start(plan: AirflowPlan, name: str, log: str, arguments: list[str]) -> Child:
    command = [sys.executable, "-P", "-m", "airflow", *arguments]
    return start_child(
        name, command, plan.home / f"airflow-{log}.log", environment(plan), folder=plan.folder
    )


def _stamp(plan: AirflowPlan) -> Path:
    return plan.folder / f"migrated-to-{installed_version()}"


def _database_connection(plan: AirflowPlan) -> dict[str, Any]:
    return {
        "conn_type": "postgres",
        "host": LOOPBACK,
        "port": plan.database_port,
        "login": "recsys",
        "password": plan.credentials.recsys_role,
        "schema": "recsys",
    }


def _store_connection(plan: AirflowPlan) -> dict[str, Any]:
    return {
        "conn_type": "aws",
        "login": plan.store.access_key,
        "password": plan.store.secret_key,
        "extra": {"endpoint_url": plan.store.endpoint, "bucket": plan.store.bucket},
    }


def _settings(plan: AirflowPlan) -> dict[str, dict[str, object]]:
    database = database_url("airflow", plan.credentials.airflow_role, plan.database_port, "airflow")
    return {
        "core": {
            "dags_folder": plan.dags,
            "plugins_folder": plan.plugins,
            "load_examples": False,
            "executor": "LocalExecutor",
            "parallelism": 4,
            "fernet_key": plan.credentials.airflow_fernet,
            "simple_auth_manager_users": f"{ADMIN}:admin,{VIEWER}:viewer",
            "simple_auth_manager_passwords_file": plan.folder / "passwords.json",
            "execution_api_server_url": f"{plan.url}/execution/",
            "min_serialized_dag_update_interval": 5,
            # The other syntax makes Airflow's own library warn in every task's log.
            "dag_ignore_file_syntax": "regexp",
        },
        "database": {"sql_alchemy_conn": database.replace("postgresql:", "postgresql+psycopg2:")},
        "api": {
            "host": LOOPBACK,
            "port": plan.port,
            "base_url": plan.url,
            "secret_key": plan.credentials.airflow_api,
            "workers": 1,
        },
        "api_auth": {"jwt_secret": plan.credentials.airflow_jwt},
        # A long fit does not answer while it computes; its token and its heartbeat must outlast it.
        "execution_api": {"jwt_expiration_time": LONGEST_TASK_SECONDS},
        "workers": {"max_failed_heartbeats": 60, "execution_api_timeout": 30},
        "scheduler": {
            "scheduler_idle_sleep_time": 0.5,
            "task_instance_heartbeat_timeout": 1800,
            "mp_start_method": "forkserver",
            "mp_forkserver_preload": ",".join(PRELOADED),
        },
        "dag_processor": {
            "refresh_interval": 10,
            "min_file_process_interval": 30,
            "parsing_processes": 1,
        },
        "logging": {
            "base_log_folder": plan.folder / "logs",
            "dag_processor_child_process_log_directory": plan.folder / "logs" / "dag_processor",
        },
        "usage_data_collection": {"enabled": False},
    }
