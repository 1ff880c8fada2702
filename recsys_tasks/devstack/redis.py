"""The embedded message broker: Debian's Redis, on loopback, behind a password, with its queue on disk."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from recsys_tasks.devstack.accounts import Account
from recsys_tasks.devstack.ports import LOOPBACK, answers, check_lost
from recsys_tasks.devstack.process import Child, start_child, wait_until
from recsys_tasks.errors import AirflowUnavailable, SettingsError

NAME = "Redis"
START_SECONDS = 30.0


@dataclass(frozen=True, repr=False)
class RedisServer:
    """Where the broker listens and what it asks for."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """As Celery names it."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"


def program() -> str:
    """Path of ``redis-server``.

    Raises:
        SettingsError: it is not on this machine.
    """
    found = shutil.which("redis-server")
    if found is None:
        raise SettingsError(
            "Celery needs redis-server: install Debian's package, as in: "
            "apt-get install redis-server"
        )
    return found


def start_redis(server: RedisServer, folder: Path, log: Path, account: Account) -> Child:
    """Starts the broker and returns when it answers.

    Args:
        folder: the account's own; the queue is written there, so that a restart finds it.

    Raises:
        SettingsError: Redis is not installed.
        PortTaken: another program has the port.
        AirflowUnavailable: the broker did not come up.
    """
    settings = _write_settings(server, folder, account)
    child = start_child(NAME, [program(), str(settings)], log, user=account.uid, folder=folder)
    if not wait_until(lambda: answers(child, server.port), child, START_SECONDS):
        child.stop()
        check_lost(child, server.port)
        raise AirflowUnavailable(f"Redis did not start; {log} ends:\n{child.last_words()}")
    return child


def _write_settings(server: RedisServer, folder: Path, account: Account) -> Path:
    """A file of mode 0600: the password must not stand in a command line."""
    file = folder / "redis.conf"
    lines = [
        *(f"bind {LOOPBACK}", f"port {server.port}", f"requirepass {server.password}"),
        *(f"dir {folder}", "appendonly yes", "appendfsync everysec", 'save ""', "daemonize no"),
    ]
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        output.write("\n".join(lines) + "\n")
    account.take(file)
    return file
