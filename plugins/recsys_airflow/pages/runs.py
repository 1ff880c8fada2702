"""From a DAG run to its report: the version that the run works on, and where its report lies."""

from typing import Any

from airflow.models.dagrun import DagRun
from airflow.utils.state import DagRunState
from sqlalchemy import select

from recsys_airflow.scope import dataset_of_run
from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.errors import NotFound
from recsys_tasks.pipeline.run import Run


def run_of(session: Any, dag_id: str, run_id: str) -> Run:
    """The core's run of a DAG run.

    Raises:
        NotFound: there is no such DAG run.
    """
    wanted = select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
    found = session.scalar(wanted)
    if found is None:
        raise NotFound(f"there is no run {run_id} of the DAG {dag_id}")
    return Run(dataset_of_run(dag_id, found.conf), dag_id, run_id, found.run_after)


def is_open(session: Any, dag_id: str, run_id: str) -> bool:
    """Whether the DAG run has not ended."""
    wanted = select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
    return session.scalar(wanted) in (DagRunState.QUEUED, DagRunState.RUNNING)


def report_of(store: ObjectStore, run: Run) -> bytes:
    """The run's own report, or the published one where the run's files are gone.

    Raises:
        NotFound: neither is there, as before the run's last task.
    """
    name = "report.html"
    try:
        return store.get(keys.runs(run.dataset, run.version) + name)
    except NotFound:
        return store.get(keys.version(run.dataset, run.version) + name)
