"""Seconds and peak memory of a piece of work in this process."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from recsys_tasks.pipeline.machine import peak_memory

Result = TypeVar("Result")
_RESET = Path("/proc/self/clear_refs")
"""Where Linux takes the word to forget the peak."""


@dataclass(frozen=True)
class Cost:
    """What work took.

    ``seconds`` of wall time; ``peak_mb`` that the process held at most; ``cpu``
    seconds of this process, which hardly depend on what else the machine does.
    """

    seconds: float
    peak_mb: float
    cpu: float


def cost_of(work: Callable[[], Result]) -> tuple[Result, Cost]:
    """The work's result and what it took. The peak counts what was there before, too."""
    if _RESET.exists():
        _RESET.write_text("5")
    began, cpu_began = time.perf_counter(), time.process_time()
    result = work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return result, Cost(seconds, peak_memory() / 1e6, cpu)


def scaled(cost: Cost, factor: float) -> Cost:
    """The cost of so many times the work; the peak stays."""
    return Cost(cost.seconds * factor, cost.peak_mb, cost.cpu * factor)


def median(costs: Sequence[Cost]) -> Cost:
    """Median of the times, highest of the peaks."""
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        max(cost.peak_mb for cost in costs),
        statistics.median(cost.cpu for cost in costs),
    )


def total(costs: Sequence[Cost]) -> Cost:
    """Costs of one thing after another: the sum of the times, the highest of the peaks."""
    return Cost(
        sum(cost.seconds for cost in costs),
        max(cost.peak_mb for cost in costs),
        sum(cost.cpu for cost in costs),
    )
