"""Ends a fit that has no executor to run on; Spark itself would wait for one without end."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recsys_tasks.config.settings import SparkSettings
from recsys_tasks.errors import SparkUnavailable

log = logging.getLogger(__name__)

PAUSE = 0.5
"""Seconds between two looks."""


@contextmanager
def executors_awaited(context: Any, settings: SparkSettings) -> Iterator[None]:
    """A block of Spark's work that ends when there is no executor for ``spark.wait_seconds`` on end.

    A lost executor with another left is Spark's own affair: it runs the lost tasks again.

    Args:
        context: a running ``pyspark.SparkContext``.
        settings: the master and how long to wait.

    Raises:
        SparkUnavailable: there were none for so long, be it from the start or once all had gone.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    if settings.is_local:
        yield
        return
    done, forlorn = threading.Event(), threading.Event()
    watch = threading.Thread(
        target=_watch, args=(context, settings.wait_seconds, done, forlorn), daemon=True
    )
    watch.start()
    try:
        yield
    except (Py4JError, PySparkException) as error:
        if forlorn.is_set():
            raise SparkUnavailable(_no_executor(settings)) from error
        raise
    finally:
        done.set()
        watch.join()


def _watch(context: Any, patience: float, done: threading.Event, forlorn: threading.Event) -> None:
    """Cancels whatever runs once there was no executor for ``patience`` seconds; again, until done."""
    from py4j.protocol import Py4JError

    seen, known = time.monotonic(), 0
    while not done.wait(PAUSE):
        try:
            there = n_executors(context)
            if there != known:
                log.info("Spark has %d executors, it had %d", there, known)
            seen, known = time.monotonic() if there else seen, there
            if forlorn.is_set() or time.monotonic() - seen > patience:
                forlorn.set()
                context.cancelAllJobs()
        except (Py4JError, OSError):
            return  # the JVM is gone: the block hears of it by itself


def n_executors(context: Any) -> int:
    """Executors that are registered now; the driver's own block manager is listed with them."""
    return int(context._jsc.sc().getExecutorMemoryStatus().size()) - 1


def _no_executor(settings: SparkSettings) -> str:
    return (
        f"Spark on {settings.master} had no executor for {settings.wait_seconds:g} s "
        "(spark.wait_seconds): see on the master's page that workers are alive and have "
        f"{settings.memory_megabytes} MB (spark.memory_megabytes) and a core free each"
    )
