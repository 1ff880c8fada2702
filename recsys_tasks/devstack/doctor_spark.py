"""What the doctor finds of Spark, when ``train.engine`` is ``spark-als``."""

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from recsys_tasks.config.settings import Settings, SparkSettings
from recsys_tasks.devstack.finding import Finding
from recsys_tasks.errors import SparkUnavailable, TrainingRefused
from recsys_tasks.model.engines.spark.session import JAVA, check_master, java_version
from recsys_tasks.model.memory import jvm_bytes
from recsys_tasks.pipeline.machine import available_memory

SECONDS = 3.0
"""How long the doctor waits for a master that does not answer."""


def check_spark(settings: Settings) -> Iterator[Finding]:
    """Nothing for another engine; else packages, Java, master, memory and the exchange."""
    if settings.train.engine_used != "spark-als":
        return
    yield check_packages()
    yield check_java()
    yield check_spark_master(settings.spark)
    yield check_heap(settings.spark)
    if not settings.spark.is_local:
        yield check_exchange(settings.spark.exchange)


def check_packages() -> Finding:
    """The two packages of the extra."""
    try:
        found = ", ".join(f"{name} {version(name)}" for name in ("pyspark", "pyarrow"))
    except PackageNotFoundError as error:
        return Finding("Extra spark", "missing", f"no {error.name}", "recsys-tasks[spark]")
    return Finding("Extra spark", "ok", found)


def check_java() -> Finding:
    """The Java that Spark would start here; that of the workers is not seen from here."""
    try:
        found = java_version()
    except TrainingRefused as error:
        return Finding("Java", "missing", str(error))
    if found not in JAVA:
        advice = "install Java 17 or 21 and let JAVA_HOME name it"
        return Finding("Java", "missing", f"Java {found}, which Spark does not run on", advice)
    return Finding("Java", "ok", f"Java {found}")


def check_spark_master(spark: SparkSettings) -> Finding:
    """Whether a standalone master listens; YARN and Kubernetes are not asked."""
    if not spark.master.startswith("spark://"):
        place = "this machine itself" if spark.is_local else "not asked: only a fit can tell"
        return Finding("Spark master", "ok", f"{spark.master}: {place}")
    try:
        check_master(spark.model_copy(update={"wait_seconds": min(SECONDS, spark.wait_seconds)}))
    except SparkUnavailable as error:
        return Finding("Spark master", "missing", str(error), "start it, or correct spark.master")
    return Finding("Spark master", "ok", f"{spark.master} listens")


def check_heap(spark: SparkSettings) -> Finding:
    """The driver's JVM against the memory that is free here."""
    needed, free = jvm_bytes(spark), available_memory()
    found = f"a driver with {spark.memory_megabytes:,} MB of heap takes up to {needed / 1e9:.1f} GB"
    if not spark.is_local:
        found += ", and so does each executor on its worker"
    if needed <= free:
        return Finding("Spark memory", "ok", found)
    advice = f"{free / 1e9:.1f} GB are free: lower spark.memory_megabytes"
    return Finding("Spark memory", "warning", found, advice)


def check_exchange(folder: str) -> Finding:
    """The folder that this machine shares with the executors; what they see of it, only a fit tells."""
    if not folder:
        advice = "set spark.exchange to a folder that the task and all executors see"
        return Finding("Spark exchange", "warning", "a temporary folder of this machine", advice)
    if not os.access(Path(folder), os.W_OK | os.X_OK):
        advice = "make it, on a disk that all executors see, for the account that runs tasks"
        return Finding("Spark exchange", "missing", f"{folder} is no folder to write to", advice)
    return Finding("Spark exchange", "ok", f"{folder} can be written to")
