"""A Spark session for the length of one fit: found out beforehand what would fail, quiet, and ended."""

import logging
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from os import environ
from pathlib import Path
from typing import Any

from recsys_tasks.config.settings import SparkSettings
from recsys_tasks.errors import SparkUnavailable, TrainingRefused
from recsys_tasks.model.engines.spark.failures import translated
from recsys_tasks.model.engines.spark.watch import executors_awaited

log = logging.getLogger(__name__)

JAVA = (17, 21)
"""Versions of Java that Spark 4.1 runs on."""

LOG4J = """rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
appender.file.type = File
appender.file.name = file
appender.file.fileName = {file}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %c: %m%n%ex
"""
"""Spark's own log goes to a file beside its scratch data, not into ours."""


def check_ground(settings: SparkSettings) -> None:
    """Passes where Spark can start.

    Raises:
        TrainingRefused: pyspark, pyarrow or Java is missing, or this Java is none that Spark runs on.
        SparkUnavailable: nothing listens at the standalone master's address.
    """
    for package in ("pyspark", "pyarrow"):
        if find_spec(package) is None:
            raise TrainingRefused(
                f"train.engine spark-als needs {package}: install recsys-tasks[spark]"
            )
    found = java_version()
    if found not in JAVA:
        raise TrainingRefused(
            f"train.engine spark-als needs Java 17 or 21 and found Java {found}: install one of "
            "them and let JAVA_HOME name it"
        )
    check_master(settings)


def java_version() -> int:
    """Major version of the Java that Spark would start.

    Raises:
        TrainingRefused: there is none, or it does not say.
    """
    home = environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else "java"
    if shutil.which(java) is None:
        raise TrainingRefused(
            f"train.engine spark-als needs Java 17 or 21 and there is no {java}: install it "
            "(as in: apt-get install openjdk-17-jre-headless), or let JAVA_HOME name it"
        )
    said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60)
    version = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    if version is None:
        raise TrainingRefused(f"{java} does not say its version: {said.stderr.strip()[:200]}")
    return int(version[1])


def check_master(settings: SparkSettings) -> None:
    """Passes where some standalone master listens, and for every other kind of master.

    Raises:
        SparkUnavailable: none of the masters listens within ``spark.wait_seconds``.
    """
    if not settings.master.startswith("spark://"):
        return
    for address in settings.master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host, int(port or 7077)), settings.wait_seconds):
                return
        except OSError as error:
            log.warning("no Spark master at %s: %s", address, error)
    raise SparkUnavailable(f"no Spark master listens at {settings.master}")


@contextmanager
def session(settings: SparkSettings, scratch: Path) -> Iterator[Any]:
    """A ``pyspark.sql.SparkSession``; its JVM is gone afterwards.

    Args:
        settings: master, memory and partitions.
        scratch: an existing local folder of the driver's own.

    Raises:
        TrainingRefused: as ``check_ground``; or the JVM did not start.
        SparkUnavailable: as ``check_ground`` and ``executors_awaited``.
        Both: what Spark raised in the block, see ``translated``.
    """
    check_ground(settings)
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # its failures are raised, too
    noise = scratch / "spark.log"
    config = SparkConf(loadDefaults=False).setAll(properties(settings, scratch))
    with noise.open("ab") as sink:
        try:
            gateway = launch_gateway(config, {"stdout": sink, "stderr": sink})
        except PySparkRuntimeError as error:
            raise TrainingRefused(f"Spark's JVM did not start: {_last_line(noise)}") from error
    try:
        with translated(settings):
            context = SparkContext(conf=config, gateway=gateway)
            context.setLogLevel("WARN")
            try:
                with executors_awaited(context, settings):
                    yield SparkSession(context)
            finally:
                context.stop()
    finally:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(60)
        SparkContext._gateway = SparkContext._jvm = None


def properties(settings: SparkSettings, scratch: Path) -> list[tuple[str, str]]:
    """Spark's properties: fixed partitions, no page of its own, loopback where the master is here."""
    configuration = scratch / "log4j2.properties"
    configuration.write_text(LOG4J.format(file=scratch / "spark.log"))
    memory = f"{settings.memory_megabytes}m"
    here = settings.is_local or "//127.0.0.1:" in settings.master
    grouped = scratch.stat().st_mode & 0o020
    loopback = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return [
        *{
            "spark.master": settings.master,
            "spark.app.name": "recsys",
            "spark.driver.memory": memory,
            "spark.executor.memory": memory,
            "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={configuration.as_uri()}",
            "spark.local.dir": str(scratch),
            "spark.sql.warehouse.dir": str(scratch / "warehouse"),
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.shuffle.partitions": str(settings.partitions),
            **(loopback if here else {}),
            **({"spark.hadoop.fs.permissions.umask-mode": "002"} if grouped else {}),
        }.items(),
        *((name, value) for name, _, value in (o.partition("=") for o in settings.options)),
    ]


def _last_line(noise: Path) -> str:
    lines = [line for line in noise.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
