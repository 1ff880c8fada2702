"""Running ``recsys`` over a stack of its own, and finding every process that belongs to it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil


def start_recsys(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """``recsys`` with ``home`` as its state folder, both outputs piped."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "recsys_tasks.cli.main", *arguments],
        env={**os.environ, "RECSYS_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_recsys(home: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command, waited for."""
    process = start_recsys(home, *arguments)
    stdout, stderr = process.communicate()
    return process.returncode, stdout, stderr


def processes_of(home: Path) -> list[str]:
    """Command lines of the live processes that work in ``home`` or were told of it."""
    return [
        " ".join(process.cmdline()) or process.name()
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _mentions(process, str(home))
    ]


def wait_for_silence(home: Path, seconds: float = 15.0) -> list[str]:
    """What still lives after ``seconds``; empty as soon as nothing does."""
    deadline = time.monotonic() + seconds
    while (left := processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _mentions(process: psutil.Process, home: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        words = [*process.cmdline(), process.cwd(), *process.environ().values()]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return any(home in word for word in words)
