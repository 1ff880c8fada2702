"""A Celery stack that loses a worker, its broker or its way to the store in the middle of a run; what held.

``python tests/support/celery_drill.py`` runs it in a state folder of its own (half an hour) and prints
the table of docs/workers.md. A worker is killed with all its processes, as a host that loses power. The
store is stopped (SIGSTOP), as a network that swallows its packets; or a TCP proxy between the workers
and the store is: connections break and new ones are refused, while the rest of the stack reaches it.
"""

import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from stack_processes import run_recsys
from tcp_proxy import TcpProxy

from recsys_tasks.devstack.celery_workers import STORE_ENDPOINT
from recsys_tasks.devstack.folders import state_folder
from recsys_tasks.devstack.ports import free_port
from recsys_tasks.devstack.status import read_status
from recsys_tasks.pipeline.airflow_api import AirflowApi, TriggeredRun
from recsys_tasks.pipeline.run import Run

DAG = "recsys_train"
SILENCE = "20"
LONG = {"preset": "quick", "train.epochs": 300, "train.components": 128, "train.threads": 1}


@dataclass(frozen=True)
class Drill:
    """A stack that is up, with data in it and a champion; ``proxy``: the workers' way to the store."""

    home: Path
    api: AirflowApi
    proxy: TcpProxy

    def strike(self, name: str, blow: "Blow") -> dict[str, Any]:
        """One run that is struck, and one after it that is not; what became of them."""
        before = self.champion()
        run = self.trigger(name)
        print(f"{name}: {run.run_id}", file=sys.stderr)
        blow(self, run)
        began = time.monotonic()
        ended, seconds = self.await_end(run), time.monotonic() - began
        row = {
            "strike": name,
            "ended": ended,
            "reason": self.reason(run) if ended == "failed" else "",
            "seconds": round(seconds),
            "tries": {task.name: task.tries for task in self.api.tasks(run) if task.tries > 1},
            "champion": "whole" if self.is_whole() else "BROKEN",
            "moved": self.champion() != before,
        }
        print(json.dumps(row), file=sys.stderr)
        return {**row, "after": self.await_end(self.trigger(f"after {name}"))}

    def reason(self, run: TriggeredRun) -> str:
        """The first failed task and the first exception in the log of its last try."""
        failed = next(task for task in self.api.tasks(run) if task.state == "failed")
        told = [line for line in self.api.log_lines(run, failed) if re.match(r"[A-Z]\w+: ", line)]
        return f"{failed.name}: {told[0] if told else 'nothing in its log'}"

    def is_whole(self) -> bool:
        return run_recsys(self.home, "verify", self.champion())[0] == 0

    def trigger(self, name: str) -> TriggeredRun:
        run_id = re.sub(r"\W+", "_", f"{name}__{time.time():.0f}")
        return self.api.trigger(DAG, run_id, LONG)

    def await_end(self, run: TriggeredRun, minutes: float = 20) -> str:
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


Blow = Callable[[Drill, TriggeredRun], None]
"""Waits for its moment in a run, then strikes; returns when the strike is over or goes on by itself."""


def kill_worker(drill: Drill, run: TriggeredRun) -> None:
    drill.wait_for_epochs(run)
    worker = drill.part("worker-2")
    for one in [worker, *worker.children(recursive=True)]:
        one.kill()


def kill_redis(drill: Drill, run: TriggeredRun) -> None:
    drill.wait_for_epochs(run)
    drill.part("Redis").kill()


def stop_the_store(drill: Drill, run: TriggeredRun) -> None:
    drill.wait_for_epochs(run)
    store = drill.part("the S3 server")
    store.send_signal(signal.SIGSTOP)
    time.sleep(30)
    store.send_signal(signal.SIGCONT)


def cut_in_training(drill: Drill, run: TriggeredRun) -> None:
    drill.wait_for_epochs(run)
    drill.proxy.cut_for(60)


def cut_in_publishing(seconds: float) -> Blow:
    def cut(drill: Drill, run: TriggeredRun) -> None:
        version = Run("movielens", run.dag_id, run.run_id, run.run_after).version
        upload = f"PUT /recsys/movielens/versions/{version}/user_embeddings.npy"
        drill.proxy.cut_at(upload.encode(), seconds)
        assert drill.proxy.sprung.wait(600), "it never came to publishing"

    return cut


STRIKES: dict[str, Blow] = {
    "kill -9 of the train worker, training": kill_worker,
    "kill -9 of Redis, training": kill_redis,
    "store stopped for 30 s, training": stop_the_store,
    "workers cut off the store for 60 s, training": cut_in_training,
    "workers cut off the store for 60 s, publishing": cut_in_publishing(60),
    "workers cut off the store for 6 min, publishing": cut_in_publishing(360),
}


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The table of docs/workers.md."""
    lines = [
        "| strike, in the middle of | the run | seconds until then | tries beyond the first "
        "| champion | a run after it |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        tries = ", ".join(f"{name} {count}" for name, count in row["tries"].items()) or "none"
        lines.append(
            f"| {row['strike']} | {': '.join(filter(None, (row['ended'], row['reason'])))} | {row['seconds']} | {tries} "
            f"| {row['champion']}{', moved' if row['moved'] else ''} | {row['after']} |"
        )
    return "\n".join(lines)


@contextmanager
def running_stack(home: Path) -> Iterator[Drill]:
    """The stack after one demo on it."""
    store_port = free_port()
    with TcpProxy(store_port).running() as proxy:
        os.environ |= {"RECSYS_WORKER_SILENCE": SILENCE, STORE_ENDPOINT: proxy.endpoint}
        options = ("--executor", "celery", "--s3-port", str(store_port))
        code, stdout, stderr = run_recsys(home, "up", *options, "--json")
        assert code == 0, stderr
        env = json.loads(stdout)
        try:
            code, _, stderr = run_recsys(home, "demo", "--set", "preset=quick")
            assert code == 0, stderr
            api = AirflowApi(env["AIRFLOW_API_URL"], env["AIRFLOW_USER"], env["AIRFLOW_PASSWORD"])
            api.set_paused(DAG, False)
            yield Drill(home, api, proxy)
        finally:
            run_recsys(home, "down")


def main(words: list[str]) -> None:
    """Makes every strike whose name holds one of the words (all without words); prints the table."""
    home = Path(tempfile.mkdtemp(prefix="recsys-celery-drill-", dir="/var/tmp"))
    state_folder(home)
    wanted = {n: b for n, b in STRIKES.items() if not words or any(w in n for w in words)}
    with running_stack(home) as drill:
        rows = [drill.strike(name, blow) for name, blow in wanted.items()]
    print(as_markdown(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
