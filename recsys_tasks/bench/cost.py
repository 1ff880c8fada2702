"""Seconds and peak memory of a piece of work in this process."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds, and memory in MB that the process held at its peak; 0: not known."""

    seconds: float
    peak_mb: float


def cost_of(work: Callable[[], Result]) -> tuple[Result, Cost]:
    """The work's result and what it took. The peak counts what was there before, too."""
    if _RESET.exists():
        _RESET.write_text("5")
    began = time.perf_counter()
    result = work()
    return result, Cost(time.perf_counter() - began, _peak_mb())


def _peak_mb() -> float:
    """Highest resident memory since the last reset, by Linux; elsewhere 0."""
    if not _STATUS.exists():
        return 0.0
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024
