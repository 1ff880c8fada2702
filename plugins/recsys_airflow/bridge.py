"""Translates errors for Airflow: a ``PermanentError`` fails the task at once, anything else may be retried."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from recsys_airflow.placement import options_of
from recsys_tasks.config.interruption import interruptible
from recsys_tasks.config.redaction import redacted
from recsys_tasks.errors import PermanentError, RecsysError

FAILURE = "failure"
"""XCom in which a task that fails leaves its error's sentence; Airflow clears it when the task is tried again."""


@contextmanager
def airflow_errors() -> Iterator[None]:
    """A ``PermanentError`` becomes Airflow's fail-now exception, its sentence the log's last line."""
    try:
        yield
    except PermanentError as error:
        raise AirflowFailException(redacted(str(error))) from None
    except MemoryError:
        raise AirflowFailException(
            "out of memory: give the worker more, or lower train.components or the data's size"
        ) from None


@contextmanager
def failure_left() -> Iterator[None]:
    """Leaves an error's sentence with Airflow, for the report: the store may be what is away."""
    try:
        yield
    except RecsysError as error:
        get_current_context()["ti"].xcom_push(FAILURE, redacted(str(error)))
        raise


@contextmanager
def stopped_on_request() -> Iterator[None]:
    """SIGTERM ends the task, which Airflow then tries again; a training first keeps its epoch.

    Airflow passes the signal on to the task's process in every executor and does nothing with it there.
    """
    try:
        with interruptible(signal.SIGTERM):
            yield
    except KeyboardInterrupt:
        raise AirflowException(
            "stopped by SIGTERM: the next try goes on from what was kept"
        ) from None


def step(minutes: int, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A task around a function, with a time limit in minutes, placed as ``RECSYS_PLACEMENT`` says."""

    def decorate(function: Callable[..., Any]) -> Any:
        @wraps(function)
        def run(*arguments: Any, **keywords: Any) -> Any:
            with stopped_on_request(), airflow_errors(), failure_left():
                return function(*arguments, **keywords)

        limit = timedelta(minutes=minutes)
        placed = {**options_of(function.__name__), **options}
        return task(execution_timeout=limit, doc_md=function.__doc__, **placed)(run)

    return decorate
