"""Limits the stack's logs: servers' logs by size, tasks' logs by age.

A server keeps its log open, so a long one is copied aside and emptied under it. It was opened to append,
and so the server goes on at the new end; what it says between the copy and the emptying is lost.
"""

import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

LIMIT = 10_000_000
"""Bytes of a server's log; one older part of about this size is kept beside it, as ``<name>.log.1``."""

DAYS = 30.0
"""Age at which a log file of a task, or of a DAG file's parsing, is removed."""

EVERY = 5.0
"""Seconds between two looks at the logs."""


class LogFiles:
    """The logs of one stack: ``home/*.log``, and what Airflow's processes write below ``folders``."""

    def __init__(self, home: Path, folders: Iterable[Path]) -> None:
        self.home, self.folders = home, tuple(folders)
        self._looked = time.monotonic()

    def look(self) -> None:
        """Shortens and removes, if the last look was ``EVERY`` seconds ago; never ends the stack."""
        if time.monotonic() - self._looked < EVERY:
            return
        self._looked = time.monotonic()
        for log in self.home.glob("*.log"):
            with suppress(OSError):  # the disk is full, say: the next look will tell
                rotate(log, LIMIT)
        for folder in self.folders:
            with suppress(OSError):
                remove_old(folder, time.time() - DAYS * 86400)


def rotate(log: Path, limit: int) -> None:
    """Moves what a log of more than ``limit`` bytes holds to ``<name>.log.1``, readable by its owner only.

    Raises:
        OSError: the copy cannot be written; the log is left as it was.
    """
    if log.stat().st_size <= limit:
        return
    older = log.with_name(f"{log.name}.1")
    older.touch(mode=0o600)
    shutil.copyfile(log, older)
    os.truncate(log, 0)


def remove_old(folder: Path, before: float) -> None:
    """Removes the files below a folder last written before a moment (epoch), and folders left empty.

    A worker's folder belongs to another account, which may put links into it: none is followed.
    """
    for _, folders, files, here in os.fwalk(folder, topdown=False):
        for name in files:
            if os.stat(name, dir_fd=here, follow_symlinks=False).st_mtime < before:
                os.unlink(name, dir_fd=here)
        for name in folders:
            with suppress(OSError):  # not empty, or a link
                os.rmdir(name, dir_fd=here)
