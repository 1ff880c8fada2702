"""Celery workers on this machine, kept apart as separate hosts would be.

Each has a home of mode 0700 with its own temporary folder, logs and ``AIRFLOW_HOME``, as root also its
own account. It is told how to reach the broker, the result backend, Airflow's task API, the database
of ratings and the bucket, and nothing else: no secret of Airflow's, no way into its metadata.
"""

import json
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from recsys_tasks.devstack.accounts import Account
from recsys_tasks.devstack.process import Child, start_child
from recsys_tasks.devstack.shared_code import Python
from recsys_tasks.errors import SettingsError

DEFAULT_QUEUE, TRAIN_QUEUE = "default", "train"
PLACEMENT = {"train": {"queue": TRAIN_QUEUE}, "attempt": {"queue": TRAIN_QUEUE}}
"""Which task goes where in the embedded stack, as ``RECSYS_PLACEMENT``."""

SILENCE = "RECSYS_WORKER_SILENCE"
"""Seconds without a sign of life after which a worker's task is given to another (300)."""

STORE_ENDPOINT = "RECSYS_WORKER_S3_ENDPOINT"
"""Where workers reach the bucket, if not where the rest of the stack does: a proxy, a tunnel."""

STORE_CONNECTION = "AIRFLOW_CONN_RECSYS_S3"
NOT_OURS = "postgresql+psycopg2://workers-have-no-access@127.0.0.1:1/none"
"""In place of the metadata database's address: whoever uses it fails at once."""

INHERITED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
TOLD = (
    "AIRFLOW_CONN_",
    "AIRFLOW__CELERY",
    "AIRFLOW__CORE__DAGS_FOLDER",
    "AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__CORE__EXECUTOR",
    "AIRFLOW__CORE__LOAD_EXAMPLES",
    "AIRFLOW__CORE__PLUGINS_FOLDER",
    "AIRFLOW__API__BASE_URL",
    "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS",
    "AIRFLOW__OPERATORS",
    "AIRFLOW__USAGE_DATA_COLLECTION",
    "AIRFLOW__WORKERS__",
    "NO_PROXY",
    "AIRFLOW__METRICS__",
    "OTEL_",
    "RECSYS_ALERT_",
    "RECSYS_APPROVAL_HOURS",
    "RECSYS_EVALUATION_SHARDS",
    "RECSYS_LATE_HOURS",
    "RECSYS_PLACEMENT",
    "RECSYS_REVISION",
    "RECSYS_SCHEDULE",
    "RECSYS_SETTINGS",
    "RECSYS_SMTP_URL",
    "RECSYS_TRIALS_AT_ONCE",
)
"""Beginnings of the names that a worker gets to know: it parses the DAG as the scheduler does."""


@dataclass(frozen=True)
class Worker:
    """One worker: ``name`` is its host's name to Airflow; ``concurrency``: tasks at a time."""

    name: str
    queues: tuple[str, ...]
    concurrency: int
    account: Account
    home: Path

    def prepare(self) -> None:
        """Makes its folders, for its account alone."""
        self.account.own_folder(self.home)
        for name in ("tmp", "airflow", "logs"):
            self.account.own_folder(self.home / name)

    @property
    def address(self) -> str:
        """What it listens to, and as whom, in words."""
        uid = os.geteuid() if self.account.uid is None else self.account.uid
        return f"queue {', '.join(self.queues)}; account {uid}"


def check_installed() -> None:
    """Refuses a Celery stack without Celery.

    Raises:
        SettingsError: the extra is not installed.
    """
    if find_spec("celery") is None:
        raise SettingsError("Celery is not installed: install recsys-tasks[celery]")


def queues_of(number: int, of: int) -> tuple[str, ...]:
    """The last worker trains; the others take the rest; a single one does both."""
    if of == 1:
        return (DEFAULT_QUEUE, TRAIN_QUEUE)
    return (TRAIN_QUEUE,) if number == of else (DEFAULT_QUEUE,)


def airflow_settings(broker: str, results: str, preload: tuple[str, ...]) -> dict[str, str]:
    """Airflow's settings for its scheduler, API server and workers.

    Args:
        broker: URL of Redis.
        results: URL of the result backend's own database.
        preload: modules that a worker imports before it forks its tasks.
    """
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": results.replace(
            "postgresql:", "db+postgresql+psycopg2:"
        ),
        "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": json.dumps({"imports": preload}),
        # Longer than the longest task, or the broker would hand it out a second time.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "90000",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": os.environ.get(SILENCE, "300"),
        "AIRFLOW__OPERATORS__DEFAULT_QUEUE": DEFAULT_QUEUE,
        "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "recsys_airflow.task_logs.LOGGING_CONFIG",
        "RECSYS_PLACEMENT": json.dumps(PLACEMENT),
    }


def worker_environment(worker: Worker, python: Python, airflow: dict[str, str]) -> dict[str, str]:
    """All that a worker's processes are told; ``airflow``: the environment of Airflow's servers."""
    told = {name: value for name, value in airflow.items() if name.startswith(TOLD)}
    told[STORE_CONNECTION] = _way_to_the_store(told[STORE_CONNECTION])
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {
        **inherited,
        **told,
        **python.variables,
        "HOME": str(worker.home),
        "TMPDIR": str(worker.home / "tmp"),
        "AIRFLOW_HOME": str(worker.home / "airflow"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(worker.home / "logs"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": NOT_OURS,
        # Python asks this variable first for who runs it: so one machine's workers have two names.
        "LOGNAME": worker.name,
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "getpass.getuser",
        "PYTHONUNBUFFERED": "1",
    }


def _way_to_the_store(connection: str) -> str:
    """The bucket's connection with the endpoint that is meant for workers, if there is one."""
    endpoint = os.environ.get(STORE_ENDPOINT)
    if not endpoint:
        return connection
    found = json.loads(connection)
    return json.dumps({**found, "extra": {**found["extra"], "endpoint_url": endpoint}})


def start_worker(worker: Worker, python: Python, airflow: dict[str, str], log: Path) -> Child:
    """Starts a worker; seconds pass until it is ready. Its tasks' logs go to the bucket, not to a port."""
    command = [
        *(str(python.program), "-P", "-m", "airflow", "celery", "worker", "--skip-serve-logs"),
        *("--queues", ",".join(worker.queues), "--concurrency", str(worker.concurrency)),
        *("--celery-hostname", worker.name, "--without-gossip", "--without-mingle"),
    ]
    environment = worker_environment(worker, python, airflow)
    return start_child(
        worker.name, command, log, environment, user=worker.account.uid, folder=worker.home
    )


def is_ready(child: Child) -> bool:
    """Whether Celery said so in the log since this worker was started."""
    since = child.log.read_bytes()[child.log_start :]
    return b"ready." in since
