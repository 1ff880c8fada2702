"""``recsys demo``: starts what is needed, trains in Airflow, shows the result, stops."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import Connections
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.devstack.demo_summary import DemoSummary, collect
from recsys_tasks.devstack.sample import make_sample
from recsys_tasks.devstack.shop import SETTINGS, make_shop
from recsys_tasks.devstack.stack import AlreadyRuns, Report, start_stack, stop_stack
from recsys_tasks.devstack.status import read_env
from recsys_tasks.devstack.supervisor import Options
from recsys_tasks.errors import AirflowUnavailable, PermanentError
from recsys_tasks.pipeline.airflow_api import AirflowApi, TaskState, TriggeredRun
from recsys_tasks.pipeline.run import Run

DAG = "recsys_train"
RUN_PREFIX = "demo__"
LOG_LINES = 12
NAMES = ("dag_id", "run_id", "run_after")
"""What a run is called, which the demo has said before."""


@dataclass(frozen=True)
class DemoReporter:
    """How the demo speaks while it works.

    Args:
        say: prints one line.
        tick: shows a line that the next one overwrites; does nothing where there is no terminal.
        part: reports a part of the stack that is ready.
    """

    say: Callable[[str], None]
    tick: Callable[[str], None]
    part: Report


@dataclass(frozen=True)
class Demo:
    """What became of it. ``seconds``: of each task, by its name."""

    run: TriggeredRun
    summary: DemoSummary
    seconds: dict[str, float]
    env: Mapping[str, str]
    left_running: bool


@dataclass(frozen=True)
class DemoData:
    """What a demo trains on.

    Args:
        said: what it is and where it lies, in words.
        files: by the setting that names them.
        settings: of the run, which it needs.
    """

    said: str
    files: Mapping[str, Path]
    settings: Mapping[str, Any]


def movielens(home: Path) -> DemoData:
    """Real ratings, from a package."""
    movies, ratings = make_sample(home / "sample")
    said = f"Sample: MovieLens ml-latest-small (2016) in {movies.parent}"
    return DemoData(said, {"source.movies": movies, "source.ratings": ratings}, {})


def generated_shop(home: Path) -> DemoData:
    """Synthetic events of a shop."""
    shop = make_shop(home / "shop")
    said = (
        f"Sample: {shop.events:,} synthetic events of a shop that does not exist, in"
        f" {shop.items_file.parent}"
    )
    files = {"source.items": shop.items_file, "source.events": shop.events_file}
    return DemoData(said, files, SETTINGS)


def run_demo(
    options: Options,
    dataset: str,
    conf: Mapping[str, Any],
    voice: DemoReporter,
    make_data: Callable[[Path], DemoData] = movielens,
) -> Demo:
    """Runs the nightly DAG once on the sample and looks at what it published.

    Args:
        options: of the stack, if it must be started.
        dataset: where the sample goes.
        conf: settings of the run beside the dataset and its source.
        voice: says what happens.
        make_data: makes the sample below the stack's home.

    Raises:
        PermanentError: a task failed; the message names it and ends with its log's last lines.
        AirflowUnavailable, DatabaseUnavailable, StoreUnavailable: a service is away.
        KeyboardInterrupt: interrupted; what the demo started has been stopped.
    """
    data = make_data(Path(options.home))
    voice.say(data.said)
    with _running_stack(options, voice) as (env, was_up):
        source = {**_source(env, dataset, data.files), **data.settings}
        api = AirflowApi(env["AIRFLOW_API_URL"], env["AIRFLOW_USER"], env["AIRFLOW_PASSWORD"])
        run, seconds = _run_dag(api, {"dataset": dataset, **source, **conf}, voice)
        connections = Connections({**env})
        version = Run(dataset, run.dag_id, run.run_id, run.run_after).version
        summary = collect(
            ObjectStore(connections.store()),
            Database(connections.database_url()),
            dataset,
            version,
        )
    return Demo(run, summary, seconds, env, left_running=was_up)


def _source(env: Mapping[str, str], dataset: str, files: Mapping[str, Path]) -> dict[str, str]:
    """Where tasks find the sample: in its folder, or in the bucket if they may be on another host."""
    if env.get("RECSYS_EXECUTOR") != "celery":
        return {name: str(file) for name, file in files.items()}
    store = ObjectStore(Connections({**env}).store())
    addresses = {}
    for name, file in files.items():
        key = f"{dataset}/sources/{file.name}"
        store.upload_file(file, key)
        addresses[name] = f"s3://{store.bucket}/{key}"
    return addresses


@contextmanager
def _running_stack(options: Options, voice: DemoReporter) -> Iterator[tuple[dict[str, str], bool]]:
    """The stack's connections, and whether it was up before; one that was not is stopped afterwards."""
    home = Path(options.home)
    try:
        voice.say(f"Stack: starting Postgres, the S3 server and Airflow in {home}")
        env = start_stack(options, voice.part, lifelong=False)
    except AlreadyRuns:
        known = read_env(home)
        if known is None or "AIRFLOW_API_URL" not in known:
            raise AirflowUnavailable(
                "the stack is just starting or stopping, or runs without Airflow: see `recsys status`"
            ) from None
        voice.say("Stack: it runs already, and goes on afterwards")
        yield known, True
        return
    try:
        yield env, False
    finally:
        stop_stack(home)


def _run_dag(
    api: AirflowApi, conf: Mapping[str, Any], voice: DemoReporter
) -> tuple[TriggeredRun, dict[str, float]]:
    """One run of the DAG, from its trigger to its end; a DAG that was paused is paused again."""
    was_paused = api.wait_for_dag(DAG)
    _make_way(api, voice)
    run = api.trigger(DAG, f"{RUN_PREFIX}{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", conf)
    voice.say(f"Run: {run.run_id} of {DAG}, to be watched at {api.url}/dags/{DAG}")
    try:
        if was_paused:
            api.set_paused(DAG, False)
        return run, _follow(api, run, voice)
    except KeyboardInterrupt:
        api.give_up(run)  # or it would go on, before the next demo's, when Airflow starts again
        raise
    finally:
        if was_paused:
            api.set_paused(DAG, True)


def _make_way(api: AirflowApi, voice: DemoReporter) -> None:
    """Gives up what a killed demo left; says which other runs, one at a time, come first."""
    for run in api.active_runs(DAG):
        if run.run_id.startswith(RUN_PREFIX):
            api.give_up(run)
        else:
            voice.say(f"Run: {run.run_id} is on its way and comes first")


def _follow(api: AirflowApi, run: TriggeredRun, voice: DemoReporter) -> dict[str, float]:
    """Speaks of each task when it ends; seconds of each task."""
    began = time.monotonic()
    told: dict[str, float] = {}
    while True:
        state, tasks = api.run_state(run), api.tasks(run)
        for task in tasks:
            if task.is_finished and task.name not in told:
                told[task.name] = task.seconds
                voice.say(_account(api, run, task, len(told), len(tasks)))
        if state == "success":
            return told
        if state == "failed":
            raise PermanentError(_failure(api, run, tasks))
        at_work = [task.name for task in tasks if task.state == "running"] or [state]
        voice.tick(f"  {' '.join(at_work)} ({time.monotonic() - began:.0f} s)")
        time.sleep(0.5)


def _account(api: AirflowApi, run: TriggeredRun, task: TaskState, place: int, of: int) -> str:
    head = f"  {place:>2}/{of} {task.name:<18} {task.state:<16} {task.seconds:6.1f} s"
    returned = api.returned(run, task.name) if task.state == "success" else None
    return head + "  " + _in_short(returned) if isinstance(returned, dict) else head


def _in_short(returned: dict[str, Any]) -> str:
    """A step's reference on one line: no nested values, no names of the run, no hashes, short numbers."""
    told = {
        name: f"{value:.4g}" if isinstance(value, float) else str(value)
        for name, value in returned.items()
        if not isinstance(value, dict)
        and value != ""
        and name not in NAMES
        and "sha256" not in name
    }
    return ", ".join(f"{name} {value}" for name, value in told.items())[:120]


def _failure(api: AirflowApi, run: TriggeredRun, tasks: tuple[TaskState, ...]) -> str:
    """The first task that failed, with the end of its log."""
    failed = [task for task in tasks if task.state == "failed"]
    if not failed:
        return f"the run {run.run_id} failed without a failed task: see {api.url}/dags/{DAG}"
    lines = api.log_lines(run, failed[0])[-LOG_LINES:]
    return f"the task {failed[0].name} failed; its log ends:\n  " + "\n  ".join(lines)
