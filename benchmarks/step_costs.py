"""Seconds and peak memory of each step of a run, every step in a process of its own, as in Airflow.

    .venv/bin/python -m benchmarks.step_costs --scale 0.1 > docs/benchmarks/steps-0.1.json

generates ratings at the shape of MovieLens 25M (see docs/generator.md), starts a Postgres and an S3
server of its own, and runs the preset ``nightly`` with two threads and a stated number of epochs.
``--only fit_dataset`` stops after that step. ``--dataset NAME`` takes the tables and the bucket that
``recsys env`` prints, in place of generated ones.

``peak_mb`` is the most that the step's process held at a time (VmHWM), ``anonymous_mb`` the most of
it that is not a file's (RssAnon, looked at every 20 ms): what is mapped the kernel can give up.
Linux only.
"""

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.compare import _machine
from benchmarks.prerequisites import prerequisites
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import Connections
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.devstack.s3 import start_s3
from recsys_tasks.errors import GateRejected
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps

GENERATED = "generated"
EPOCHS = 3
STATUS = Path("/proc/self/status")


def main() -> None:
    """Measures every step and prints one JSON document; the table goes to stderr."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--only", choices=ORDER, default=ORDER[-1], help="stop after this step")
    parser.add_argument(
        "--dataset", default="", help="tables that are there, in place of generated"
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        name, dataset, source, run_id = json.loads(asked.child)
        print(json.dumps(measured(steps_of(dataset, source, run_id), name)))
        return
    with services(asked.scale, asked.dataset) as (environ, source):
        run_id = f"costs__{secrets.token_hex(4)}"
        dataset = asked.dataset or GENERATED
        found = {}
        for name in ORDER[: ORDER.index(asked.only) + 1]:
            found[name] = in_a_process((name, dataset, source, run_id), environ)
            say(
                f"{name:<20}{found[name]['seconds']:>9.2f} s {found[name]['peak_mb']:>7.0f} MB"
                f" {found[name]['anonymous_mb']:>7.0f} MB anonymous"
            )
        os.environ.update(environ)
        sizes = sizes_of(steps_of(dataset, source, run_id))
    document = {
        "scale": None if asked.dataset else asked.scale,
        "synthetic": not asked.dataset,
        "threads": 2,
        "machine": _machine(),
        "sizes": sizes,
        "steps": found,
    }
    print(json.dumps(document, indent=1))


@contextmanager
def services(scale: float, dataset: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Environment with the connections, and the settings of the source."""
    if dataset:
        yield {**os.environ, **Connections.find().values}, {}
        return
    with prerequisites(scale, 42, say) as (url, folder):
        server = start_s3(folder, secrets.token_hex(8), secrets.token_hex(20), "recsys")
        access = server.access
        try:
            yield (
                {
                    **os.environ,
                    "RECSYS_DB_URL": url,
                    "RECSYS_S3_ENDPOINT": access.endpoint,
                    "RECSYS_S3_BUCKET": access.bucket,
                    "AWS_ACCESS_KEY_ID": access.access_key,
                    "AWS_SECRET_ACCESS_KEY": access.secret_key,
                },
                {
                    "source.movies": str(folder / "movies.csv"),
                    "source.ratings": str(folder / "ratings.csv"),
                },
            )
        finally:
            server.stop()


def steps_of(dataset: str, source: dict[str, str], run_id: str) -> Steps:
    """A run with a gate that lets a model of a few epochs through."""
    changes = {
        "dataset": dataset,
        "train.epochs": EPOCHS,
        "train.patience": 0,
        "train.threads": 2,
        "gate.min_precision": 1e-9,
        "gate.min_popular_ratio": 0,
        "gate.min_index_recall": 0,
        "index.search_k": 1000,  # a model of so few epochs may take a long search for it
        **source,
    }
    settings = Settings.load("nightly", overrides=changes)
    run = Run(dataset, "step_costs", run_id, datetime(2026, 11, 24, 3, tzinfo=UTC))
    found = Connections.find()
    return Steps(settings, run, Database(found.database_url()), ObjectStore(found.store()))


def in_a_process(asked: tuple[Any, ...], environ: dict[str, str]) -> dict[str, float]:
    """One step in a fresh interpreter."""
    command = [sys.executable, __file__, "--child", json.dumps(asked)]
    answer = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(answer.stdout)
    return result


def measured(steps: Steps, name: str) -> dict[str, float]:
    """Runs one step of the run and tells what it took."""
    with watched() as anonymous:
        began = time.perf_counter()
        with suppress(GateRejected):
            getattr(steps, name)()
        seconds = time.perf_counter() - began
    return {
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
    read: Callable[[str], Any] = steps.files.get_json
    data = read("data.json")
    sizes = {name: data[name] for name in ("ratings", "users", "items", "positives")}
    sizes["interactions"] = data["positives"] + data["weaker_positives"]
    if steps.files.has("training.json"):
        history = read("training.json")["history"]
        sizes["epochs"] = 2 * len(history)
        sizes["epoch_s"] = min(epoch["seconds"] for epoch in history)
    return sizes


def say(words: str) -> None:
    """A line on stderr."""
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
