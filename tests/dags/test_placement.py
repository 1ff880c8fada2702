"""RECSYS_PLACEMENT: where a task goes and how big its pod is."""

import json
from importlib.util import find_spec

import pytest
from airflow.dag_processing.dagbag import DagBag

from recsys_tasks.errors import SettingsError
from recsys_tasks.pipeline.task_names import task_names

pytestmark = pytest.mark.airflow

BIG = {"train": {"queue": "train", "memory_gb": 16, "cpus": 4}}


@pytest.fixture
def placed(monkeypatch):
    """Sets the variable."""
    return lambda value: monkeypatch.setenv("RECSYS_PLACEMENT", json.dumps(value))


def test_without_the_variable_a_task_goes_where_airflow_sends_it(monkeypatch):
    from recsys_airflow.placement import options_of

    monkeypatch.delenv("RECSYS_PLACEMENT", raising=False)
    assert options_of("train") == {}


def test_the_dags_training_takes_its_queue_and_no_other_task_does(placed):
    from recsys_airflow.factory import make_dags

    placed(BIG)
    dag = make_dags("train")["recsys_train"]
    assert [task.task_id for task in dag.tasks if task.queue == "train"] == ["train"]


def test_the_trials_of_a_search_are_placed_by_their_name(placed):
    from recsys_airflow.factory import make_dags

    placed({"attempt": {"queue": "train"}})
    dag = make_dags("tune")["recsys_tune"]
    assert [task.task_id for task in dag.tasks if "train" in str(_queue(task))] == ["attempt"]


def test_an_executor_is_passed_on_where_airflow_has_several(placed):
    from recsys_airflow.placement import options_of

    placed({"gate": {"executor": "LocalExecutor"}})
    assert options_of("gate") == {"executor": "LocalExecutor"}


@pytest.mark.parametrize(
    "value", [[], {"train": {"que": "x"}}, {"train": {"memory_gb": -1}}, {"train": "big"}]
)
def test_a_placement_that_is_none_is_refused_in_words(placed, value):
    from recsys_airflow.placement import options_of

    placed(value)
    with pytest.raises(SettingsError, match="RECSYS_PLACEMENT is no use"):
        options_of("train")


def test_a_typo_is_an_import_error_of_its_own_and_every_dag_stays(placed, project):
    placed({"trian": {"queue": "train"}})
    found = DagBag(project / "dags")
    (error,) = found.import_errors.values()
    assert "trian (is train meant?)" in error
    assert "recsys_train" in found.dags


def test_the_names_read_from_the_files_are_the_tasks_that_airflow_sees(project):
    dags = DagBag(project / "dags").dags.values()
    assert task_names(project / "dags") >= {task for dag in dags for task in dag.task_ids}


def test_a_size_is_said_in_kubernetes_words():
    from recsys_airflow.placement import Placement, pod_size

    assert pod_size(Placement(memory_gb=1.5, cpus=0.5)) == {"memory": "1500M", "cpu": "500m"}


def test_a_size_means_nothing_to_other_executors(placed):
    from recsys_airflow.placement import options_of

    placed(BIG)
    assert "executor_config" not in options_of("train")


@pytest.mark.skipif(
    find_spec("kubernetes") is None, reason="NOT TESTED: the kubernetes client is not installed"
)
def test_on_kubernetes_the_size_becomes_the_pods(placed, monkeypatch):
    from recsys_airflow.placement import options_of

    placed(BIG)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "KubernetesExecutor")
    pod = options_of("train")["executor_config"]["pod_override"]
    container = pod.spec.containers[0]
    assert container.name == "base"
    assert container.resources.limits == {"memory": "16000M", "cpu": "4000m"}
    assert container.resources.requests == container.resources.limits


def _queue(task):
    return getattr(task, "queue", None) or task.partial_kwargs.get("queue")
