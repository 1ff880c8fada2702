"""A Celery stack that loses a worker, its broker or its store in the middle of training; what held.

``python tests/support/celery_drill.py`` runs it in a state folder of its own (five minutes) and prints
the table of docs/workers.md. A worker is killed with all its processes, as a host that loses power; the
store is stopped (SIGSTOP), which from a worker looks like a network that swallows its packets.
"""

import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from stack_processes import run_recsys

from recsys_tasks.local.airflow_api import AirflowApi, TriggeredRun
from recsys_tasks.local.folders import state_folder
from recsys_tasks.local.status import read_status

DAG = "recsys_train"
SILENCE = "20"
LONG = {"preset": "quick", "train.epochs": 300, "train.components": 128, "train.threads": 1}


@dataclass(frozen=True)
class Drill:
    """A stack that is up, with data in it and a champion."""

    home: Path
    api: AirflowApi

    def strike(self, name: str, blow: Callable[["Drill"], None]) -> dict[str, Any]:
        """One run, struck while it trains; what became of it. The next one is the run after it."""
        before, run_id = self.champion(), re.sub(r"\W+", "_", name)
        run = self.trigger(f"{run_id}__{time.time():.0f}", LONG)
        self.wait_for_epochs(run)
        began = time.monotonic()
        blow(self)
        ended, seconds = self.await_end(run), time.monotonic() - began
        tries = {task.name: task.tries for task in self.api.tasks(run) if task.tries > 1}
        whole = run_recsys(self.home, "verify", self.champion())[0] == 0
        return {
            "strike": name,
            "ended": ended,
            "seconds": round(seconds),
            "tries": tries,
            "champion": "whole" if whole else "BROKEN",
            "moved": self.champion() != before,
        }

    def strike_all(self) -> list[dict[str, Any]]:
        """Every strike in turn, then a run that nothing happens to."""
        rows = []
        for name, blow in STRIKES.items():
            rows.append(self.strike(name, blow))
            print(json.dumps(rows[-1]), file=sys.stderr)
        last = self.await_end(self.trigger(f"after__{time.time():.0f}", LONG))
        endings = [row["ended"] for row in rows[1:]] + [last]
        return [{**row, "after": after} for row, after in zip(rows, endings, strict=True)]

    def trigger(self, run_id: str, conf: dict[str, Any]) -> TriggeredRun:
        return self.api.trigger(DAG, run_id, conf)

    def await_end(self, run: TriggeredRun, minutes: float = 10) -> str:
        deadline = time.monotonic() + minutes * 60
        while time.monotonic() < deadline:
            if (state := self.api.run_state(run)) in ("success", "failed"):
                return state
            time.sleep(1)
        self.api.give_up(run)
        return f"still at work after {minutes:g} min"

    def wait_for_epochs(self, run: TriggeredRun) -> None:
        """Until training has said something of its epochs."""
        while True:
            task = next(task for task in self.api.tasks(run) if task.name == "train")
            if task.state == "running" and "epoch" in "\n".join(self.api.log_lines(run, task)):
                return
            assert self.api.run_state(run) in ("queued", "running"), "it ended before the strike"
            time.sleep(0.5)

    def champion(self) -> str:
        versions = json.loads(run_recsys(self.home, "versions", "--json")[1])
        return next(one["version"] for one in versions if one["champion"])

    def part(self, name: str) -> psutil.Process:
        status = read_status(self.home)
        assert status is not None
        return psutil.Process(next(part.pid for part in status.parts if part.name == name))


def kill_worker(drill: Drill) -> None:
    worker = drill.part("worker-2")
    for one in [worker, *worker.children(recursive=True)]:
        one.kill()


def kill_redis(drill: Drill) -> None:
    drill.part("Redis").kill()


def cut_the_store_off(drill: Drill, seconds: float = 30) -> None:
    store = drill.part("the S3 server")
    store.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    store.send_signal(signal.SIGCONT)


STRIKES: dict[str, Callable[[Drill], None]] = {
    "kill -9 of the train worker": kill_worker,
    "kill -9 of Redis": kill_redis,
    "store unreachable for 30 s": cut_the_store_off,
}


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The table of docs/workers.md."""
    lines = [
        "| strike, in the middle of training | the run | seconds until then | tries beyond the first "
        "| champion | a run after it |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        tries = ", ".join(f"{name} {count}" for name, count in row["tries"].items()) or "none"
        lines.append(
            f"| {row['strike']} | {row['ended']} | {row['seconds']} | {tries} "
            f"| {row['champion']}{', moved' if row['moved'] else ''} | {row['after']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs every strike on one stack and prints the table."""
    os.environ["RECSYS_WORKER_SILENCE"] = SILENCE
    home = Path(tempfile.mkdtemp(prefix="recsys-celery-drill-", dir="/var/tmp"))
    state_folder(home)
    code, _, stderr = run_recsys(home, "demo", "--executor", "celery", "--set", "preset=quick")
    assert code == 0, stderr
    code, stdout, stderr = run_recsys(home, "up", "--executor", "celery", "--json")
    assert code == 0, stderr
    env = json.loads(stdout)
    api = AirflowApi(env["AIRFLOW_API_URL"], env["AIRFLOW_USER"], env["AIRFLOW_PASSWORD"])
    api.wait_for_dag(DAG)
    api.set_paused(DAG, False)
    try:
        rows = Drill(home, api).strike_all()
    finally:
        run_recsys(home, "down")
    print(as_markdown(rows))


if __name__ == "__main__":
    main()
