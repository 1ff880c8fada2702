"""Starting, stopping and asking the embedded stack, from outside its supervisor."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from recsys_tasks.devstack.folders import state_folder
from recsys_tasks.devstack.process import open_log, start_child
from recsys_tasks.devstack.status import (
    FAILED,
    RUNNING,
    Part,
    Status,
    is_locked,
    read_env,
    read_status,
    remove_env,
)
from recsys_tasks.devstack.supervisor import ALREADY_RUNS, Options
from recsys_tasks.errors import AirflowUnavailable, SettingsError

SPACE_NEEDED = 500_000_000
"""Bytes that must be free for Postgres' files, Airflow's logs and a few versions."""

STOP_SECONDS = 60.0
Report = Callable[[Part], None]


class AlreadyRuns(Exception):
    """The stack is up; nothing was started."""


def start_stack(options: Options, report: Report, lifelong: bool = True) -> dict[str, str]:
    """Starts everything and waits until all of it is healthy.

    Args:
        report: called with each part as soon as it is ready.
        lifelong: the stack outlives this process; off: it ends when this process does.

    Returns:
        the connections, as ``recsys env`` prints them.

    Raises:
        AlreadyRuns: it is up, or another process is just starting it.
        SettingsError: the disk is nearly full or the state folder cannot be used.
        AirflowUnavailable: a part did not come up; the message names the part and the reason.
        KeyboardInterrupt: Ctrl-C; what had been started is stopped first.
    """
    home = state_folder(Path(options.home))
    if is_locked(home):
        raise AlreadyRuns
    _check_space(home)
    process = _start_supervisor(home, options, lifelong)
    try:
        _follow(home, process, report)
    except AlreadyRuns:
        raise  # another command was quicker, and the stack is its own
    except BaseException:
        stop_stack(home)
        raise
    return read_env(home) or {}


def stop_stack(home: Path) -> bool:
    """Stops everything and waits for it; False when nothing ran.

    Raises:
        AirflowUnavailable: it did not end in time.
    """
    if not is_locked(home):
        remove_env(home)
        return False
    status = _await_status(home)
    if status is not None and psutil.pid_exists(status.supervisor):
        os.kill(status.supervisor, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while is_locked(home):
        if time.monotonic() > deadline:
            raise AirflowUnavailable(
                f"the stack did not end within {STOP_SECONDS:.0f} s: see {home}"
            )
        time.sleep(0.1)
    return True


def running_status(home: Path) -> Status | None:
    """The live stack's status; None when none runs."""
    return read_status(home) if is_locked(home) else None


def _check_space(home: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < SPACE_NEEDED:
        raise SettingsError(
            f"the disk is nearly full: {free / 1e6:.0f} MB free at {home}, "
            f"{SPACE_NEEDED / 1e6:.0f} MB needed"
        )


def _start_supervisor(home: Path, options: Options, lifelong: bool) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable,
        "-P",
        "-m",
        "recsys_tasks.devstack.supervisor",
        options.to_argument(),
    ]
    log = home / "supervisor.log"
    if not lifelong:
        return start_child("the supervisor", command, log).process
    with open_log(log) as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )


def _follow(home: Path, process: "subprocess.Popen[bytes]", report: Report) -> None:
    """Reports each part until the stack runs."""
    reported = 0
    while True:
        ended = process.poll()
        status = _status_of(home, process.pid)
        for part in status.parts[reported:] if status else ():
            report(part)
            reported += 1
        if status and status.phase == RUNNING:
            return
        if ended == ALREADY_RUNS:
            raise AlreadyRuns
        if ended is not None:
            raise _failure(home, _status_of(home, process.pid))
        time.sleep(0.1)


def _status_of(home: Path, supervisor: int) -> Status | None:
    """What this supervisor wrote, and not one before it."""
    status = read_status(home)
    return status if status and status.supervisor == supervisor else None


def _failure(home: Path, status: Status | None) -> AirflowUnavailable:
    if status and status.phase == FAILED:
        return AirflowUnavailable(status.message)
    return AirflowUnavailable(f"the stack ended before it was up: see {home / 'supervisor.log'}")


def _await_status(home: Path) -> Status | None:
    """The status; a supervisor that has just begun needs a moment to write it."""
    for _ in range(50):
        status = read_status(home)
        if status is not None:
            return status
        time.sleep(0.1)
    return None
