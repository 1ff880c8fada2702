"""What holds for every DAG of the project."""

import pytest
from airflow.dag_processing.dagbag import DagBag

pytestmark = pytest.mark.airflow

EXPECTED = {"recsys_consumer_example", "recsys_retention", "recsys_train"}


@pytest.fixture(scope="module")
def dag_bag(project):
    return DagBag(project / "dags")


def test_every_dag_file_parses(dag_bag):
    assert dag_bag.import_errors == {}
    assert set(dag_bag.dags) == EXPECTED


@pytest.mark.parametrize("dag_id", sorted(EXPECTED))
def test_a_dag_explains_itself_and_its_tasks_and_never_catches_up(dag_bag, dag_id):
    dag = dag_bag.dags[dag_id]
    assert dag.doc_md
    assert not dag.catchup
    assert [
        task.task_id for task in dag.tasks if not (task.doc_md and task.execution_timeout)
    ] == []


def test_the_retention_is_a_dry_run_unless_told(dag_bag):
    assert dag_bag.dags["recsys_retention"].params["dry_run"] is True
