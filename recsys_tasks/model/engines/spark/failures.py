"""Spark's failures as this project's, one line each; Java is asked for its words while it still runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from recsys_tasks.config.settings import SparkSettings
from recsys_tasks.errors import PermanentError, SparkUnavailable, TrainingRefused

MEMORY = ("OutOfMemoryError", "Java heap space")
CLOSED = ("Permission denied", "Mkdirs failed")
DEAD = "its JVM died; a kernel out of memory may have ended it"


@contextmanager
def translated(spark: SparkSettings) -> Iterator[None]:
    """A block in which what Spark, or the way to its JVM, raises becomes an error of ours.

    Raises:
        TrainingRefused: memory, or a folder that is closed to the executors.
        SparkUnavailable: anything else.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException, ConnectionError) as error:
        raise in_one_line(_words(error), spark) from error


def in_one_line(said: str, spark: SparkSettings) -> PermanentError | SparkUnavailable:
    """The error that a text of Spark's, a Java stack trace mostly, stands for."""
    if any(sign in said for sign in MEMORY):
        return TrainingRefused(
            f"Spark ran out of its {spark.memory_megabytes} MB: raise spark.memory_megabytes"
        )
    if any(sign in said for sign in CLOSED):
        return TrainingRefused(
            f"an executor may not write below spark.exchange ({spark.exchange or 'a temporary folder'}): "
            "run executors under the account of this process, or give the folder to a group of both "
            "accounts and the mode 2775"
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = next((line for line in lines if "Exception" in line or "fail" in line), said)
    return SparkUnavailable(f"Spark on {spark.master} gave up: {told[:300]}")


def _words(error: Exception) -> str:
    """What an error says; one from Java asks the JVM for it, which may have died of the cause."""
    from py4j.protocol import Py4JNetworkError

    try:
        said = str(error)
    except ConnectionError:
        return DEAD
    return DEAD if isinstance(error, (ConnectionError, Py4JNetworkError)) else said
