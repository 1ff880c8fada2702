"""What the embedded stack says about itself in its state folder: whether it runs, and where.

``stack.lock`` is locked for as long as the supervisor lives, so a crash leaves no false claim;
``stack.json`` tells how far it came; ``env.json`` holds the connections while everything is up.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from recsys_tasks.devstack.credentials import write_private

LOCK_TRIES = 10
"""A look by ``is_locked`` holds the lock for an instant, too."""

STARTING, RUNNING, STOPPING, STOPPED, FAILED = (
    "starting",
    "running",
    "stopping",
    "stopped",
    "failed",
)


@dataclass(frozen=True)
class Part:
    """One server of the stack.

    Args:
        name: as people call it.
        address: host and port, or what it is ready for; empty until it is ready.
        seconds: from the start of the stack until it was ready.
        log: its log file.
        pid: of its leading process.
    """

    name: str
    address: str
    seconds: float
    log: str
    pid: int


@dataclass(frozen=True)
class Status:
    """One moment of the stack."""

    supervisor: int
    phase: str = STARTING
    message: str = ""
    started: float = field(default_factory=time.time)
    parts: tuple[Part, ...] = ()

    def with_part(self, part: Part) -> "Status":
        """The same with one more part ready."""
        return replace(self, parts=(*self.parts, part))

    def with_new_pid(self, name: str, pid: int) -> "Status":
        """The same after a part was started again."""
        parts = [replace(part, pid=pid) if part.name == name else part for part in self.parts]
        return replace(self, parts=tuple(parts))


def write_status(home: Path, status: Status) -> None:
    """Replaces ``stack.json``."""
    write_private(home / "stack.json", json.dumps(asdict(status)))


def read_status(home: Path) -> Status | None:
    """What the last supervisor wrote; None if there was none. Whether it lives, ``is_locked`` tells."""
    try:
        document = json.loads((home / "stack.json").read_text())
    except FileNotFoundError:
        return None
    return Status(**{**document, "parts": tuple(Part(**part) for part in document["parts"])})


def write_env(home: Path, values: dict[str, str]) -> None:
    """Writes ``env.json``, which ``connections`` finds."""
    write_private(home / "env.json", json.dumps(values))


def read_env(home: Path) -> dict[str, str] | None:
    """The connections, or None when the stack is not up."""
    try:
        values: dict[str, str] = json.loads((home / "env.json").read_text())
    except FileNotFoundError:
        return None
    return values if is_locked(home) else None


def remove_env(home: Path) -> None:
    """Takes ``env.json`` away."""
    (home / "env.json").unlink(missing_ok=True)


def is_locked(home: Path) -> bool:
    """Whether a supervisor lives in this folder."""
    try:
        with (home / "stack.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def hold_lock(home: Path) -> Iterator[bool]:
    """Holds the folder's lock; yields False when another supervisor has it."""
    with os.fdopen(os.open(home / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        yield any(_try_lock(file) for _ in range(LOCK_TRIES))


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(0.05)
        return False
    return True
