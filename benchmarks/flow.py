"""Runs every step of a run in a process of its own, as Airflow does, and measures it: ``flow``'s work."""

import json
import logging
import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from benchmarks.compare import machine
from benchmarks.generated_tables import generated_database
from benchmarks.prerequisites import prerequisites
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import Connections, StoreAccess
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.devstack.s3 import start_s3
from recsys_tasks.errors import GateRejected, RecsysError
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.run_files import DATA, PARTS, TRAINING
from recsys_tasks.pipeline.steps import ORDER, Steps

log = logging.getLogger(__name__)

GENERATED = "generated"
OF_POSTGRES = ("migrate", "ingest", "promote")
"""Steps that are nothing without Postgres."""

EPOCHS = 3
STATUS = Path("/proc/self/status")

Environ = dict[str, str]
Step = dict[str, Any]


@dataclass(frozen=True)
class Flow:
    """What is to be measured.

    Args:
        scale: of the generated ratings.
        dataset: tables that are there, in the place of generated ones; empty: generated.
        overrides: settings of the run, by their dotted names.
        last: the step after which to stop.
        parts: leave Postgres out: the data step makes its parts of ratings that it generates.
        run_id: of the run; another one for each measurement.
    """

    scale: float
    dataset: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    last: str = ORDER[-1]
    parts: bool = False
    run_id: str = field(default_factory=lambda: f"flow__{secrets.token_hex(4)}")

    @property
    def names(self) -> tuple[str, ...]:
        """The steps that are run."""
        names = ORDER[: ORDER.index(self.last) + 1]
        return tuple(name for name in names if not (self.parts and name in OF_POSTGRES))

    def steps(self) -> Steps:
        """The run, over the services of the environment; its gate lets a model of a few epochs through."""
        closed = {"train.engine": "ridge-svd"} if self.parts else {}
        settings = Settings.load("nightly", overrides={**LENIENT, **closed, **self.overrides})
        moment = datetime(2026, 11, 24, 3, tzinfo=UTC)
        run, found = Run(settings.dataset, "flow", self.run_id, moment), Connections.find()
        return Steps(settings, run, self._database(found), ObjectStore(found.store()))

    def _database(self, found: Connections) -> Database:
        if self.parts:
            return cast(Database, generated_database(self.scale))
        return Database(found.database_url())


LENIENT: dict[str, Any] = {
    "dataset": GENERATED,
    "train.epochs": EPOCHS,
    "train.patience": 0,
    "train.threads": 2,
    "gate.min_precision": 1e-9,
    "gate.min_popular_ratio": 0,
    "gate.min_index_recall": 0,
    "index.search_k": 1000,  # a model of so few epochs may take a long search for it
}


def measure(asked: Flow) -> dict[str, Any]:
    """Runs the steps and tells what each took, with the machine and the data's sizes."""
    with services(asked) as (environ, ready):
        steps = [_told(in_a_process(ready, name, environ)) for name in ready.names]
        with _environment(environ):
            sizes = sizes_of(ready.steps())
    return {
        "scale": None if asked.dataset else asked.scale,
        "synthetic": not asked.dataset,
        "threads": 2,
        "machine": machine(),
        "sizes": sizes,
        "steps": steps,
    }


@contextmanager
def _environment(environ: Environ) -> Iterator[None]:
    """These variables in this process, and afterwards those of before."""
    before = dict(os.environ)
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _told(step: Step) -> Step:
    log.info(
        "%s: %.2f s, peak %.0f MB, %.0f MB anonymous",
        *(step[name] for name in ("name", "seconds", "peak_mb", "anonymous_mb")),
    )
    return step


@contextmanager
def services(asked: Flow) -> Iterator[tuple[Environ, Flow]]:
    """The environment with the connections, and the flow with its dataset and source."""
    if asked.dataset:
        overrides = {"dataset": asked.dataset, **asked.overrides}
        yield {**os.environ, **Connections.find().values}, _with(asked, overrides)
        return
    if asked.parts:
        with TemporaryDirectory(prefix="flow-") as home, _bucket(Path(home)) as access:
            yield access.environment(os.environ), asked
        return
    with prerequisites(asked.scale, 42, log.info) as (url, folder), _bucket(folder) as access:
        source = {f"source.{name}": str(folder / f"{name}.csv") for name in ("movies", "ratings")}
        environ = access.environment({**os.environ, "RECSYS_DB_URL": url})
        yield environ, _with(asked, {**source, **asked.overrides})


@contextmanager
def _bucket(folder: Path) -> Iterator[StoreAccess]:
    server = start_s3(folder, secrets.token_hex(8), secrets.token_hex(20), "recsys")
    try:
        yield server.access
    finally:
        server.stop()


def _with(asked: Flow, overrides: Mapping[str, Any]) -> Flow:
    return replace(asked, overrides=overrides)


def in_a_process(asked: Flow, name: str, environ: Environ) -> Step:
    """One step in a fresh interpreter.

    Raises:
        RecsysError: it failed; its own words are above, in the log.
    """
    command = [sys.executable, "-m", "benchmarks.flow", json.dumps(asdict(asked)), name]
    answer = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True)
    if answer.returncode:
        raise RecsysError(f"the step {name} ended with {answer.returncode}")
    found: Step = json.loads(answer.stdout)
    return found


def measured(steps: Steps, name: str) -> Step:
    """Runs one step of the run and tells what it took."""
    with watched() as anonymous:
        began = time.perf_counter()
        with suppress(GateRejected):
            getattr(steps, name)()
        seconds = time.perf_counter() - began
    return {
        "name": name,
        "seconds": seconds,
        "cpu_s": time.process_time(),
        "peak_mb": of_status("VmHWM"),
        "anonymous_mb": max(anonymous),
    }


@contextmanager
def watched() -> Iterator[list[float]]:
    """The process's anonymous memory in MB, looked at again and again."""
    seen, done = [of_status("RssAnon")], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            seen.append(of_status("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def of_status(name: str) -> float:
    """A line of /proc/self/status in MB (10^6 bytes)."""
    found = re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text())
    if found is None:
        raise SystemExit(f"{STATUS} has no {name}")
    return int(found[1]) * 1024 / 1e6


def sizes_of(steps: Steps) -> dict[str, Any]:
    """What the formulas of docs/scale.md count in."""
    data = DATA.read_if_there(steps.files)
    if data is None:
        return {}
    sizes = {name: data[name] for name in ("ratings", "users", "items", "positives")}
    sizes["interactions"] = data["positives"] + data["weaker_positives"]
    sizes["parts"] = len(PARTS.read_if_there(steps.files) or [])
    history = (TRAINING.read_if_there(steps.files) or {}).get("history")
    if history:
        sizes["epochs"] = 2 * len(history)
        sizes["epoch_s"] = min(epoch["seconds"] for epoch in history)
    return sizes


if __name__ == "__main__":
    flow, step = sys.argv[1:]
    print(json.dumps(measured(Flow(**json.loads(flow)).steps(), step)))
