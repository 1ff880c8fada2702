"""Runs a server as a child process: own process group, own log file, ended with its parent."""

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Child:
    """A running server.

    Args:
        name: what people call it, in messages.
        process: its leading process, which is also the leader of its group.
        log: file that holds what it printed.
        stop_signal: what asks it to end; SIGTERM for most, SIGINT for Postgres' fast shutdown.
        log_start: bytes that the log held before it was started.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    log_start: int = 0

    def is_alive(self) -> bool:
        """Whether its leading process still runs."""
        return self.process.poll() is None

    def stop(self, grace: float = 10.0) -> None:
        """Asks it to end, waits ``grace`` seconds, then kills what is left of its group."""
        if self.is_alive():
            self.process.send_signal(self.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace)
        kill_group(self.process.pid)
        self.process.wait()

    def last_words(self, lines: int = 8) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def start_child(
    name: str,
    command: Sequence[str],
    log: Path,
    environ: Mapping[str, str] | None = None,
    user: str | int | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    folder: Path | None = None,
) -> Child:
    """Starts a server in its own session, its output appended to ``log``.

    When the thread that called this ends, however it ends, the kernel (Linux) sends the server its
    stop signal.

    Args:
        user: name or number of the account to run as; only root can give one. None: the caller's
            own.
        folder: working folder; None: the root folder.

    Raises:
        OSError: the command cannot be run, or the log cannot be written.
    """
    uid, gid = _numbers(user)
    with open_log(log) as output:
        log_start = log.stat().st_size
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(os.environ if environ is None else environ),
            cwd=folder or "/",
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            preexec_fn=lambda: _die_with_parent(stop_signal),
        )
    return Child(name, process, log, stop_signal, log_start)


def open_log(log: Path) -> BinaryIO:
    """A log file to append to, that only its owner may read."""
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def wait_until(ready: Callable[[], bool], child: Child, seconds: float) -> bool:
    """Polls until ``ready()``; False when the child ended or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.is_alive():
        if ready():
            return True
        time.sleep(0.05)
    return False


def kill_group(leader: int) -> None:
    """Kills whatever is left of a process group; nothing left is fine."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_session(leader: int) -> None:
    """Kills every process of a session, those that made themselves a group of their own too."""
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)


def _numbers(user: str | int | None) -> tuple[int | None, int | None]:
    """An account's number and its group's; a number without a name is its own group."""
    if isinstance(user, str):
        account = pwd.getpwnam(user)
        return account.pw_uid, account.pw_gid
    return user, user


def _die_with_parent(stop_signal: signal.Signals) -> None:
    """Runs in the child between fork and exec, after it took its user."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, int(stop_signal))
