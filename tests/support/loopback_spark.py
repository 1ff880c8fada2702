"""A standalone Spark cluster on loopback: a master and workers of one core each, for tests and benchmarks."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from recsys_tasks.devstack.ports import LOOPBACK

SECONDS = 30


@dataclass(frozen=True)
class Worker:
    """A worker's process, and the folder in which its executors keep what others may read."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    def executors(self) -> list[psutil.Process]:
        """Executors that run now."""
        ended = self.process.poll() is not None
        return [] if ended else psutil.Process(self.process.pid).children()

    def kept(self) -> int:
        """Results of tasks that its executors keep."""
        return len(list(self.folder.glob("spark-*/executor-*/blockmgr-*/*/shuffle_*.data")))


@dataclass(frozen=True)
class Cluster:
    """A master's address and its workers."""

    master: str
    workers: tuple[Worker, ...]


@contextmanager
def cluster(folder: Path, user: str | None = None) -> Iterator[Cluster]:
    """A master and two workers; all of it ends with the block.

    Args:
        folder: of the workers' folders and of what everyone says.
        user: whose the workers and their executors are; None: whoever calls.
    """
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    address, places = f"spark://{LOOPBACK}:{port}", ("--host", LOOPBACK, "--webui-port", "0")
    begun = [start("master.Master", folder, *places, "--port", str(port))]
    try:
        until_it_listens(port)
        size = ("--cores", "1", "--memory", "1g")
        homes = [folder / "one", folder / "two"]
        for home in homes:
            own = (*places, *size, "-d", str(home), address)
            begun.append(start("worker.Worker", home, *own, user=user))
        yield Cluster(address, tuple(map(Worker, begun[1:], homes)))
    finally:
        for process in reversed(begun):
            process.terminate()
            process.wait()


def start(
    part: str, folder: Path, *arguments: str, user: str | None = None
) -> "subprocess.Popen[bytes]":
    """One of the cluster's processes; what it says goes to a file in its folder."""
    folder.mkdir(exist_ok=True)
    if user:
        shutil.chown(folder, user)
    home = Path(str(find_spec("pyspark").origin)).parent
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{part}", *arguments]
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": LOOPBACK,
        "SPARK_LOCAL_DIRS": str(folder),
    }
    with (folder / f"{part}.log").open("wb") as said:
        return subprocess.Popen(
            command,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            **(
                {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
                if user
                else {}
            ),
        )


def until_it_listens(port: int) -> None:
    """Waits for the master.

    Raises:
        TimeoutError: it did not come.
    """
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection((LOOPBACK, port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"no Spark master after {SECONDS} s")
