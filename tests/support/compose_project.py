"""A copy of this clone as a compose project on an engine: its commands, its Airflow, its bucket."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import compose

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.pipeline.airflow_api import AirflowApi, TaskState, TriggeredRun

CLONE = Path(__file__).parents[2]
BINARY = Path(compose.__file__).parent / "docker-compose"
DAG = "recsys_train"
OWNER = 12345
"""Account that owns the project's ``data``, as it does in the clone of an ordinary user."""
PORTS = {
    "AIRFLOW_PORT": "18080",
    "POSTGRES_PORT": "15432",
    "STORE_PORT": "19000",
    "STORE_CONSOLE_PORT": "19001",
}


def copy_of_clone(folder: Path) -> Path:
    """Every file that git tracks, as it lies on the disk; BuildKit's frontend is the engine's own."""
    listed = subprocess.check_output(["git", "-C", CLONE, "ls-files", "-z"], text=True)
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CLONE / name, folder / name)
    without_frontend(folder / "Dockerfile")
    return folder


def without_frontend(dockerfile: Path) -> None:
    """Removes the line that asks a registry for the Dockerfile's syntax."""
    dockerfile.write_text(dockerfile.read_text().replace("# syntax=docker/dockerfile:1\n", ""))


def write_env(folder: Path, **more: str) -> None:
    """``.env`` as the documentation makes it, with ports of the tests' own."""
    subprocess.run([sys.executable, folder / "docker/make_env.py"], check=True)
    add_to_env(folder, **PORTS, **more)


def add_to_env(folder: Path, **lines: str) -> None:
    """Appends to ``.env``; of two lines with one name the last counts."""
    with (folder / ".env").open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in lines.items())


class ComposeProject:
    """What docker-compose.yaml of a folder starts.

    Args:
        folder: with the compose file and ``.env``.
        host: the engine's socket, as DOCKER_HOST names it.
    """

    def __init__(self, folder: Path, host: str) -> None:
        self.folder, self.host = folder, host
        self.api: AirflowApi

    @property
    def env(self) -> dict[str, str]:
        """What ``.env`` says."""
        lines = (self.folder / ".env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")

    @property
    def url(self) -> str:
        """Of the API server."""
        return f"http://127.0.0.1:{self.env['AIRFLOW_PORT']}"

    def compose(self, *words: str) -> str:
        """What a command of compose prints; a failure shows what it said."""
        return self._run(str(BINARY), *words)

    def docker(self, *words: str) -> list[str]:
        """The lines that a command of docker prints, sorted."""
        return sorted(self._run("docker", *words).splitlines())

    def up(self) -> None:
        """Starts it as docs/docker.md says, and logs in."""
        self.compose("up", "--build", "--detach", "--wait")
        env = self.env
        self.api = AirflowApi(self.url, env["AIRFLOW_ADMIN_USER"], env["AIRFLOW_ADMIN_PASSWORD"])
        self.api.wait_for_dag(DAG, seconds=300)
        self.api.set_paused(DAG, False)

    def trigger(self, name: str, **settings: Any) -> TriggeredRun:
        """Starts a run on the files of ``./data``, unless the settings name others."""
        files = {
            "source.movies": "/data/movies.csv",
            "source.ratings": "/data/ratings.csv",
        }
        return self.api.trigger(DAG, name, {"preset": "quick", **files, **settings})

    def ended(self, run: TriggeredRun) -> str:
        """The run's state once it has ended; what failed is printed with the end of its log."""
        try:
            wait_until(lambda: self.api.run_state(run) in ("success", "failed"), minutes=20)
        finally:
            self._show_unfinished(run)
        return self.api.run_state(run)

    def _show_unfinished(self, run: TriggeredRun) -> None:
        for task in self.api.tasks(run):
            if task.state in ("failed", "running", "up_for_retry"):
                print(task, *self.api.log_lines(run, task)[-30:], sep="\n")

    def task(self, run: TriggeredRun, name: str) -> TaskState:
        """A task of a run."""
        return next(task for task in self.api.tasks(run) if task.name == name)

    def log(self, run: TriggeredRun, task: str, tries: int) -> str:
        """The log of a task's try, as the API gives it."""
        return "\n".join(self.api.log_lines(run, TaskState(task, "", 0, tries)))

    def wait_for_words(self, run: TriggeredRun, task: str, words: str) -> None:
        """Waits until the log of a task's first try, which still runs, holds the words."""
        wait_until(lambda: self._is_written(run, task) and words in self.log(run, task, 1), 5)

    def _is_written(self, run: TriggeredRun, task: str) -> bool:
        place = f"airflow-logs/dag_id={run.dag_id}/run_id={run.run_id}/task_id={task}/"
        return bool(self.bucket("PUBLISHER").list(place))

    def exit_code(self, service: str) -> int:
        """How a stopped service ended; 137: the engine lost patience and killed it."""
        container = self.compose("ps", "--all", "--quiet", service).strip()
        return int(self.docker("inspect", "--format", "{{.State.ExitCode}}", container)[0])

    def bucket(self, user: str) -> ObjectStore:
        """The bucket as ``PUBLISHER`` or ``CONSUMER`` of ``.env`` sees it."""
        env = self.env
        keys = env[f"RECSYS_{user}_KEY"], env[f"RECSYS_{user}_SECRET"]
        return ObjectStore(StoreAccess(f"http://127.0.0.1:{env['STORE_PORT']}", "recsys", *keys))

    def _run(self, *command: str) -> str:
        path = f"/usr/bin:/usr/sbin:{os.environ['PATH']}"
        engine = {"DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "1", "HOME": str(self.folder)}
        done = subprocess.run(
            command, cwd=self.folder, env={"PATH": path, **engine}, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-1000:]}{done.stderr[-4000:]}"
        return done.stdout


def wait_until(is_so: Callable[[], bool], minutes: float) -> None:
    """Looks every second.

    Raises:
        AssertionError: it never was so.
    """
    end = time.monotonic() + minutes * 60
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(1)
