"""The process that runs the embedded stack: starts each part, restarts what dies, stops all.

``python -m recsys_tasks.devstack.supervisor HOME OPTIONS``, started by ``stack``. It ends on SIGTERM or
SIGINT, and when a part ends by itself. Whatever a part leaves behind becomes the supervisor's child
(Linux' child subreaper) and is killed with the rest; if the supervisor itself is killed, the kernel
ends its children.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypedDict

import psutil

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.devstack import airflow_services
from recsys_tasks.devstack.airflow_services import ADMIN, VIEWER, AirflowPlan
from recsys_tasks.devstack.celery_parts import CeleryParts
from recsys_tasks.devstack.credentials import Credentials
from recsys_tasks.devstack.folders import database_home
from recsys_tasks.devstack.log_files import LogFiles
from recsys_tasks.devstack.ports import LOOPBACK, PortTaken, check_lost, listens, on_a_port
from recsys_tasks.devstack.postgres import (
    PostgresServer,
    create_database,
    create_role,
    database_url,
    start_postgres,
)
from recsys_tasks.devstack.process import LIBC, Child, kill_group
from recsys_tasks.devstack.s3 import start_s3
from recsys_tasks.devstack.status import (
    FAILED,
    RUNNING,
    STOPPED,
    STOPPING,
    Part,
    Status,
    hold_lock,
    remove_env,
    write_env,
    write_status,
)
from recsys_tasks.errors import AirflowUnavailable, RecsysError, SettingsError

PR_SET_CHILD_SUBREAPER = 36
USUAL_PORTS = {"postgres": 55432, "s3": 9000, "airflow": 8080, "redis": 6379}
AIRFLOW_SECONDS = 300.0
SignalHandler = Callable[[int, FrameType | None], None] | signal.Handlers
ALREADY_RUNS = 75
"""Exit code when another supervisor has the folder."""


@dataclass(frozen=True)
class Options:
    """What ``recsys up`` asks for.

    Args:
        home: the state folder.
        dags: Airflow's DAGs folder.
        plugins: Airflow's plugins folder.
        ports: of ``postgres``, ``s3`` and ``airflow``; a part not named takes its usual port, or a
            free one when that is taken.
        airflow: off: Postgres and S3 only.
        executor: ``local``: tasks run beside the scheduler; ``celery``: on workers of their own.
        workers: how many Celery workers.
    """

    home: str
    dags: str
    plugins: str
    ports: dict[str, int]
    airflow: bool = True
    executor: str = "local"
    workers: int = 2

    def to_argument(self) -> str:
        """As one command-line argument."""
        return json.dumps(asdict(self))


class PortsToTry(TypedDict):
    """The port that was asked for, and the one to try when none was."""

    port: int | None
    usual: int


class Interrupted(BaseException):
    """A signal asked the supervisor to end."""


class Supervisor:
    """Starts the parts in order, keeps their children, writes down how far it came."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.home = Path(options.home)
        self.credentials = Credentials.keep(self.home)
        self.status = Status(supervisor=os.getpid())
        self.children: list[Child] = []
        self.celery: CeleryParts | None = None

    def run(self) -> None:
        """Runs the stack until a signal comes (``Interrupted``) or something fails."""
        write_status(self.home, self.status)
        if self.options.executor == "celery":
            self.celery = CeleryParts.plan(self.home, self.credentials, self.options)
        server = self._start_postgres()
        store = self._start_s3()
        env = {
            "RECSYS_DB_URL": database_url(
                "recsys", self.credentials.recsys_role, server.port, "recsys"
            ),
            "RECSYS_S3_ENDPOINT": store.endpoint,
            "RECSYS_S3_BUCKET": store.bucket,
            "AWS_ACCESS_KEY_ID": store.access_key,
            "AWS_SECRET_ACCESS_KEY": store.secret_key,
        }
        if self.options.airflow:
            plan = self._start_airflow(server.port, store)
            env |= {
                "AIRFLOW_API_URL": plan.url,
                "AIRFLOW_USER": ADMIN,
                "AIRFLOW_PASSWORD": self.credentials.airflow_admin,
                "AIRFLOW_VIEWER": VIEWER,
                "AIRFLOW_VIEWER_PASSWORD": self.credentials.airflow_viewer,
                "RECSYS_EXECUTOR": self.options.executor,
            }
        write_env(self.home, env)
        self._write(replace(self.status, phase=RUNNING))
        self._watch()

    def stop(self, phase: str, message: str) -> None:
        """Ends every part, last started first, and whatever they left."""
        remove_env(self.home)
        self._write(replace(self.status, phase=STOPPING, message=message))
        for child in reversed(self.children):
            if child.is_alive():
                child.process.send_signal(child.stop_signal)
        for child in reversed(self.children):
            child.stop()
        _kill_descendants()
        self._write(replace(self.status, phase=phase, message=message, parts=()))

    def _start_postgres(self) -> PostgresServer:
        home = database_home(self.home)
        server = start_postgres(home, self.credentials.postgres, **self._ports("postgres"))
        self.children.append(server.child)
        roles = {"recsys": self.credentials.recsys_role, "airflow": self.credentials.airflow_role}
        if self.celery:
            roles["celery"] = self.credentials.celery_role
        for role, password in roles.items():
            create_role(server, role, password)
            create_database(server.url, role, owner=role)
        address = self._address("postgres", server.port, f"{LOOPBACK}:{server.port}")
        self._ready(server.child, address)
        return server

    def _start_s3(self) -> StoreAccess:
        keys = (self.credentials.s3_access_key, self.credentials.s3_secret_key)
        server = start_s3(self.home, *keys, "recsys", **self._ports("s3"))
        self.children.append(server.child)
        self._ready(server.child, self._address("s3", server.port, server.access.endpoint))
        return server.access

    def _start_airflow(self, database_port: int, store: StoreAccess) -> AirflowPlan:
        plan = AirflowPlan(
            home=self.home,
            dags=Path(self.options.dags),
            plugins=Path(self.options.plugins),
            port=USUAL_PORTS["airflow"],
            database_port=database_port,
            store=store,
            credentials=self.credentials,
            celery=self._start_broker(database_port),
        )
        airflow_services.prepare(plan)
        self._migrate_airflow(plan)
        try:
            return on_a_port(
                airflow_services.API_SERVER,
                lambda port: self._start_servers(replace(plan, port=port)),
                **self._ports("airflow"),
            )
        except PortTaken as error:
            raise AirflowUnavailable(str(error)) from None

    def _start_servers(self, plan: AirflowPlan) -> AirflowPlan:
        """Starts Airflow's servers, which all know the API's port, and the workers.

        Raises:
            PortTaken: another program has the API's port; every server was ended.
        """
        since = datetime.now(UTC).isoformat()
        servers = airflow_services.start_servers(plan)
        self.children += servers
        workers = self._start_workers(plan)
        try:
            self._await_airflow(plan, servers, since)
        except PortTaken:
            self._end([*servers, *workers])
            raise
        if self.celery:
            for worker in workers:
                self._ready(worker, self.celery.await_ready(worker))
        return plan

    def _end(self, children: list[Child]) -> None:
        self.children = [child for child in self.children if child not in children]
        for child in children:
            child.stop()

    def _start_broker(self, database_port: int) -> dict[str, str]:
        """Starts what Celery needs, if it is wanted; the settings that tell Airflow of it."""
        if self.celery is None:
            return {}
        broker = self.celery.start_broker(**self._ports("redis"))
        port = self.celery.broker.port
        self.children.append(broker)
        self._ready(broker, self._address("redis", port, f"{LOOPBACK}:{port}"))
        return self.celery.airflow_settings(database_port)

    def _start_workers(self, plan: AirflowPlan) -> list[Child]:
        if self.celery is None:
            return []
        workers = self.celery.start_workers(airflow_services.environment(plan))
        self.children += workers
        return workers

    def _migrate_airflow(self, plan: AirflowPlan) -> None:
        migration = airflow_services.start_migration(plan)
        if migration is None:
            return
        self.children.append(migration)
        if migration.process.wait() != 0:
            raise AirflowUnavailable(
                f"Airflow's tables could not be made; {migration.log} ends:\n"
                + migration.last_words()
            )
        self.children.remove(migration)
        airflow_services.stamp_migration(plan)
        self._ready(migration, "done")

    def _await_airflow(self, plan: AirflowPlan, servers: list[Child], since: str) -> None:
        waiting = {server.name: server for server in servers}
        deadline = time.monotonic() + AIRFLOW_SECONDS
        api = waiting[airflow_services.API_SERVER]
        while waiting:
            check_lost(api, plan.port)
            self._check_children()
            if time.monotonic() > deadline:
                names = ", ".join(waiting)
                raise AirflowUnavailable(
                    f"no sign of life from {names}; see the logs in {self.home}"
                )
            # Before it listens, another program may answer there.
            healthy = listens(api, plan.port) and airflow_services.healthy_servers(plan, since)
            for name in set(healthy or ()) & set(waiting):
                is_api = name == airflow_services.API_SERVER
                address = self._address("airflow", plan.port, plan.url) if is_api else "healthy"
                self._ready(waiting.pop(name), address)
            time.sleep(0.2)

    def _watch(self) -> NoReturn:
        workers = self.celery.workers.values() if self.celery else ()
        written = (self.home / "airflow" / "logs", *(worker.home / "logs" for worker in workers))
        logs = LogFiles(self.home, written)
        while True:
            self._check_children()
            logs.look()
            _reap_orphans({child.process.pid for child in self.children})
            time.sleep(0.5)

    def _check_children(self) -> None:
        for place, child in enumerate(self.children):
            if child.is_alive():
                continue
            again = self._revived(child)
            if again is None:
                raise AirflowUnavailable(
                    f"{child.name} ended by itself; {child.log} ends:\n{child.last_words()}"
                )
            self.children[place] = again

    def _revived(self, child: Child) -> Child | None:
        """A broker or worker that ended comes back, as it would on a host of its own."""
        if self.celery is None or self.status.phase != RUNNING:
            return None
        again = self.celery.revive(child)
        if again is not None:
            self._write(self.status.with_new_pid(child.name, again.process.pid))
        return again

    def _ports(self, part: str) -> PortsToTry:
        """The port asked for, which is then the only one; and the usual one."""
        return {"port": self.options.ports.get(part), "usual": USUAL_PORTS[part]}

    def _address(self, part: str, port: int, address: str) -> str:
        """The address, with a word on why it is not the usual one."""
        is_usual = part in self.options.ports or port == USUAL_PORTS[part]
        return address if is_usual else f"{address} ({USUAL_PORTS[part]} is taken)"

    def _ready(self, child: Child, address: str) -> None:
        seconds = round(time.time() - self.status.started, 1)
        part = Part(child.name, address, seconds, str(child.log), child.process.pid)
        self._write(self.status.with_part(part))

    def _write(self, status: Status) -> None:
        self.status = status
        write_status(self.home, status)


def main(argument: str) -> int:
    """Runs the stack; the exit code says how it ended."""
    options = Options(**json.loads(argument))
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with hold_lock(Path(options.home)) as held:
        return _supervise(options) if held else ALREADY_RUNS


def _supervise(options: Options) -> int:
    supervisor = Supervisor(options)
    phase, message, code = STOPPED, "", 0
    try:
        _handle_signals(_interrupt)
        supervisor.run()
    except Interrupted:
        pass
    except RecsysError as error:
        phase, message, code = FAILED, str(error), error.exit_code
    except OSError as error:
        refusal = SettingsError(f"the state folder {options.home} is no use: {error}")
        phase, message, code = FAILED, str(refusal), refusal.exit_code
    finally:
        _handle_signals(signal.SIG_IGN)
        supervisor.stop(phase, message)
    return code


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    _handle_signals(signal.SIG_IGN)
    raise Interrupted


def _handle_signals(handler: SignalHandler) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handler)


def _reap_orphans(own: set[int]) -> None:
    """Takes note of the end of processes that a part left behind."""
    for process in psutil.Process().children():
        if process.pid not in own and process.status() == psutil.STATUS_ZOMBIE:
            os.waitpid(process.pid, os.WNOHANG)


def _kill_descendants() -> None:
    """Kills everything that still hangs below this process."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        kill_group(process.pid)
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
