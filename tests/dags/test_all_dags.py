"""What holds for every DAG of the project."""

import pytest
from airflow.dag_processing.dagbag import DagBag

pytestmark = pytest.mark.airflow

EXPECTED = {
    "recsys_batch",
    "recsys_consumer_example",
    "recsys_retention",
    "recsys_train",
    "recsys_tune",
}


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
    assert dag.description
    assert dag.dag_display_name.startswith(f"{dag_id}: ")
    assert {task.owner for task in dag.tasks} == {"recsys"}
    assert [
        task.task_id for task in dag.tasks if not (task.doc_md and task.execution_timeout)
    ] == []


def test_the_weekly_clean_up_really_cleans_and_can_be_told_not_to(dag_bag):
    dag = dag_bag.dags["recsys_retention"]
    assert dag.params["dry_run"] is False
    assert (dag.params["keep"], dag.params["older_than_days"]) == (10, 30)
    assert [task.upstream_task_ids for task in dag.tasks] == [set(), set()]


def test_the_weekly_clean_up_looks_at_the_deployments_own_dataset(tmp_path, monkeypatch):
    from recsys_airflow.factory import make_dags

    (tmp_path / "settings.toml").write_text('dataset = "shop"\n')
    monkeypatch.setenv("RECSYS_SETTINGS", str(tmp_path / "settings.toml"))
    made = make_dags("retention")["recsys_retention"]
    assert made.params["dataset"] == "shop"


def test_the_search_tries_one_mapped_task_a_trial_and_one_at_a_time(dag_bag):
    attempt = dag_bag.dags["recsys_tune"].get_task("attempt")
    assert attempt.is_mapped
    assert attempt.max_active_tis_per_dag == 1
    assert attempt.upstream_task_ids == {"propose"}


def test_the_search_has_fields_for_its_space(dag_bag):
    params = dag_bag.dags["recsys_tune"].params
    assert params["tune.components"] == [32, 64, 128]


def test_the_page_about_the_dags_is_what_they_say(dag_bag, project):
    from recsys_airflow.dag_docs import render

    page = (project / "docs" / "dags.md").read_text(encoding="utf-8")
    assert page == render(dag_bag.dags.values()), "run `make docs`"
