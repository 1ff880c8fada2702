"""What Celery adds to the embedded stack: a broker, a result backend of its own, and the workers.

Where the rest of the stack ends as a whole when a part dies, these parts are started again, as a host's
service manager would; one that dies within seconds of its start is not.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_tasks.devstack import celery_workers, redis
from recsys_tasks.devstack.accounts import Account, accounts
from recsys_tasks.devstack.airflow_services import PRELOADED
from recsys_tasks.devstack.celery_workers import Worker
from recsys_tasks.devstack.credentials import Credentials
from recsys_tasks.devstack.folders import database_home
from recsys_tasks.devstack.ports import PortTaken, on_a_port
from recsys_tasks.devstack.postgres import database_url
from recsys_tasks.devstack.process import Child, kill_session, wait_until
from recsys_tasks.devstack.redis import RedisServer
from recsys_tasks.devstack.shared_code import Python, is_open, python_for_all
from recsys_tasks.errors import AirflowUnavailable
from recsys_tasks.pipeline.version_facts import code_revision

if TYPE_CHECKING:
    from recsys_tasks.devstack.supervisor import Options

READY_SECONDS = 300.0
TOO_SOON = 10.0
"""Seconds; a part that dies younger would only die again."""


@dataclass
class CeleryParts:
    """The plan, and how each part that was started can be started again."""

    home: Path
    credentials: Credentials
    broker: RedisServer
    broker_account: Account
    workers: dict[str, Worker]
    restarts: dict[str, Callable[[], Child]] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)

    @classmethod
    def plan(cls, home: Path, credentials: Credentials, options: "Options") -> "CeleryParts":
        """Checks that everything is installed and decides who runs what.

        Raises:
            SettingsError: Celery or Redis is not installed.
        """
        celery_workers.check_installed()
        redis.program()
        own = (
            accounts() if is_open(Path(options.dags), Path(options.plugins)) else repeat(Account())
        )
        folder, broker_account = database_home(home), next(own)
        names = [f"worker-{number}" for number in range(1, options.workers + 1)]
        workers = {
            name: Worker(
                name=name,
                queues=(queues := celery_workers.queues_of(number, options.workers)),
                concurrency=2 if celery_workers.DEFAULT_QUEUE in queues else 1,
                account=next(own),
                home=folder / name,
            )
            for number, name in enumerate(names, 1)
        }
        return cls(home, credentials, RedisServer(0, credentials.redis), broker_account, workers)

    def start_broker(self, port: int | None, usual: int) -> Child:
        """Starts Redis on the port, or on the usual or a free one, and waits for it.

        Raises:
            AirflowUnavailable: the port is taken, or Redis did not come up.
        """
        try:
            return on_a_port(redis.NAME, self._start_broker, port, usual)
        except PortTaken as error:
            raise AirflowUnavailable(str(error)) from None

    def _start_broker(self, port: int) -> Child:
        self.broker = RedisServer(port, self.credentials.redis)
        folder = self.broker_account.own_folder(database_home(self.home) / "redis")
        log = self.home / "redis.log"
        return self._start(
            redis.NAME, partial(redis.start_redis, self.broker, folder, log, self.broker_account)
        )

    def airflow_settings(self, database_port: int) -> dict[str, str]:
        """What Airflow's servers must know of Celery."""
        results = database_url("celery", self.credentials.celery_role, database_port, "celery")
        settings = celery_workers.airflow_settings(self.broker.url, results, PRELOADED[1:])
        # Git tells it only to the account that owns the clone.
        return {**settings, "RECSYS_REVISION": code_revision()}

    def start_workers(self, airflow: dict[str, str]) -> list[Child]:
        """Starts every worker; ``airflow``: the environment of Airflow's servers."""
        python = python_for_all(database_home(self.home))
        return [self._start_worker(worker, python, airflow) for worker in self.workers.values()]

    def await_ready(self, worker: Child) -> str:
        """Waits for a worker; what it listens to and as whom, in words.

        Raises:
            AirflowUnavailable: it did not come up.
        """
        if not wait_until(lambda: celery_workers.is_ready(worker), worker, READY_SECONDS):
            raise AirflowUnavailable(
                f"{worker.name} did not come up; {worker.log} ends:\n{worker.last_words()}"
            )
        return self.workers[worker.name].address

    def revive(self, child: Child) -> Child | None:
        """Starts a part of Celery's again; None if it is another's, or died too soon."""
        restart = self.restarts.get(child.name)
        if restart is None or time.monotonic() - self.started[child.name] < TOO_SOON:
            return None
        kill_session(child.process.pid)  # its tasks are not to go on beside its successor's
        child.stop()
        try:
            return self._start(child.name, restart)
        except PortTaken as error:
            raise AirflowUnavailable(str(error)) from None

    def _start_worker(self, worker: Worker, python: Python, airflow: dict[str, str]) -> Child:
        worker.prepare()
        log = self.home / f"airflow-{worker.name}.log"
        return self._start(
            worker.name, partial(celery_workers.start_worker, worker, python, airflow, log)
        )

    def _start(self, name: str, start: Callable[[], Child]) -> Child:
        self.restarts[name], self.started[name] = start, time.monotonic()
        return start()
