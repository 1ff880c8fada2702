"""Runs one task of the nightly DAG as a worker does, once for each conf: Airflow's own supervisor, a
process a try, its log in a file. Only the scheduler and the network are left out.

    python task_runs.py TASK < confs.json

reads a list of confs, one a run, and prints for each, as the last line's list: the state in which
Airflow has the task then, its tries, how many more it has by the DAG, the sentence that it left of its
failure, and what its log says.
"""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.configuration import conf as airflow_conf
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.executors.workloads import ExecuteTask
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor, supervise_task
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select

import recsys_tasks.data.load.ingest
import recsys_tasks.pipeline.steps  # noqa: F401 - here once, and not in each try's process

DAG_ID = "recsys_train"


def main(task_id: str, confs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What became of the task for each conf, in their order."""
    initdb()
    dag = scheduled_dag()
    client = InProcessTestSupervisor._api_client(dag)
    return [run_task(dag, client, task_id, f"run{n}", given) for n, given in enumerate(confs)]


def scheduled_dag() -> Any:
    """The DAG as the scheduler knows it, parsed from Airflow's folder into its database."""
    manager = DagBundlesManager()
    manager.sync_bundles_to_db()
    [bundle] = [one for one in manager.get_all_dag_bundles() if one.name == "dags-folder"]
    bag = BundleDagBag(bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
    sync_bag_to_db(bag, bundle.name, None)
    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(bag.dags[DAG_ID]))


def run_task(dag: Any, client: Any, task_id: str, run_id: str, given: dict[str, Any]) -> Any:
    """One run with this conf, of which only this task is run."""
    work = queued(dag, task_id, run_id, given)
    supervise_task(
        ti=work.ti,
        bundle_info=work.bundle_info,
        dag_rel_path=work.dag_rel_path,
        token=work.token,
        log_path=work.log_path,
        client=client,
    )
    of_run = TaskInstance.dag_id == DAG_ID, TaskInstance.run_id == run_id
    with create_session() as session:
        ti = session.scalars(
            select(TaskInstance).where(*of_run, TaskInstance.task_id == task_id)
        ).one()
        facts = {"state": ti.state, "tries": ti.try_number, "more_tries": ti.max_tries}
        left = select(XComModel.value).where(
            XComModel.run_id == run_id, XComModel.task_id == task_id, XComModel.key == "failure"
        )
        row = session.execute(left).first()
    said = None if row is None else XComModel.deserialize_value(row)
    return facts | {"failure": said, "log": list(events(Path(work.log_path)))}


def queued(dag: Any, task_id: str, run_id: str, given: dict[str, Any]) -> ExecuteTask:
    """What an executor hands a worker for the first try."""
    now = datetime.now(UTC)
    with create_session() as session:
        run = dag.create_dagrun(
            run_id=run_id,
            run_after=now,
            conf=given,
            run_type=DagRunType.MANUAL,
            state=DagRunState.RUNNING,
            triggered_by=DagRunTriggeredByType.TEST,
            session=session,
        )
        ti = run.get_task_instance(task_id, session=session)
        ti.state, ti.try_number = TaskInstanceState.QUEUED, 1
        session.flush()
        return ExecuteTask.make(ti)


def events(log_path: Path) -> Iterator[str]:
    """What each line of a task's log says, an error's own text behind it."""
    folder = Path(airflow_conf.get("logging", "base_log_folder"))
    for line in (folder / log_path).read_text().splitlines():
        entry = json.loads(line)
        errors = [error["exc_value"] for error in entry.get("error_detail") or ()]
        yield " ".join([entry["event"], *errors])


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.load(sys.stdin))))
