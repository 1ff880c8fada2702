"""The nightly DAG's shape: its order, its limits, its form, and what it does with an error."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from recsys_tasks.config.settings import DEPLOYERS, Settings
from recsys_tasks.errors import GateRejected, SettingsError, StoreUnavailable

pytestmark = pytest.mark.airflow

ORDER = [
    "migrate",
    "ingest",
    "fit_dataset",
    "split",
    "train",
    "evaluate",
    "gate",
    "finalise",
    "export_embeddings",
    "build_index",
    "publish",
    "verify",
    "promote",
    "report",
]


@pytest.fixture(scope="module")
def nightly():
    from recsys_airflow.factory import make_dags

    return make_dags("train")["recsys_train"]


def test_the_tasks_form_one_chain_in_the_stated_order(nightly):
    edges = {(task.task_id, below) for task in nightly.tasks for below in task.downstream_task_ids}
    assert [task.task_id for task in nightly.topological_sort()] == ORDER
    assert edges == set(pairwise(ORDER))


def test_with_shards_and_an_approval_airflows_tasks_are_those_of_the_steps(monkeypatch):
    from recsys_airflow.factory import make_dags
    from recsys_tasks.pipeline.step_list import STEPS

    monkeypatch.setenv("RECSYS_EVALUATION_SHARDS", "3")
    monkeypatch.setenv("RECSYS_APPROVAL_HOURS", "12")
    tasks = [task.task_id for task in make_dags("train")["recsys_train"].topological_sort()]
    assert tasks == [*(task for step in STEPS for task in step.task_ids), "report"]


def test_only_the_report_runs_whatever_happened_and_it_never_turns_a_red_run_green(nightly):
    report = nightly.get_task("report")
    assert [task.task_id for task in nightly.tasks if task.is_teardown] == ["report"]
    assert not report.on_failure_fail_dagrun


def test_one_run_at_a_time_no_catch_up_and_a_time_limit_for_each_task(nightly):
    assert (nightly.max_active_runs, nightly.catchup) == (1, False)
    assert nightly.get_task("train").max_active_tis_per_dag == 1
    assert all(task.execution_timeout > timedelta(0) for task in nightly.tasks)
    assert all(task.retries == 3 and task.retry_exponential_backoff for task in nightly.tasks)


def test_unpausing_the_dag_waits_for_the_next_hour_instead_of_making_up_the_last(nightly):
    assert nightly.start_date is None
    assert nightly.timetable.run_immediately is False


def test_every_task_explains_itself(nightly):
    assert [task.task_id for task in nightly.tasks if not task.doc_md] == []


def test_the_form_has_a_field_with_a_sentence_for_every_setting(nightly):
    params = {name: nightly.params.get_param(name) for name in nightly.params}
    searched = {name for name in Settings().flat() if name.startswith("tune.")}
    of_a_run = set(Settings().flat()) - searched - set(DEPLOYERS)
    assert set(params) == {"preset", *of_a_run}
    assert [name for name, param in params.items() if not param.description] == []
    assert params["train.epochs"].schema["allOf"] == [{"minimum": 1, "maximum": 1000}]
    assert params["train.loss"].schema["enum"][0] == "warp"


def test_an_untouched_form_gives_the_nightly_settings(nightly):
    from recsys_airflow.settings_form import settings_of

    conf = {name: nightly.params[name] for name in nightly.params}
    assert settings_of(conf) == settings_of(None) == Settings.load("nightly")


def test_a_preset_fills_what_the_form_left_at_its_default_and_a_changed_field_wins(nightly):
    from recsys_airflow.settings_form import settings_of

    conf = {name: nightly.params[name] for name in nightly.params}
    chosen = settings_of(conf | {"preset": "article", "train.components": 8})
    assert chosen == Settings.load("article", overrides={"train.components": 8})


@pytest.mark.parametrize("conf", [{"train.epoch": 1}, {"train.epochs": -1}, {"preset": "x"}])
def test_a_conf_with_an_unknown_key_or_a_value_out_of_bounds_is_refused(conf):
    from recsys_airflow.settings_form import settings_of

    with pytest.raises(SettingsError):
        settings_of(conf)


@pytest.mark.parametrize(
    ("conf", "dataset"),
    [
        (None, "movielens"),
        ({"dataset": "shop", "train.epoch": 1}, "shop"),
        ({"dataset": "../shop"}, "movielens"),
        ({"dataset": 7}, "movielens"),
    ],
)
def test_a_refused_conf_has_a_dataset_all_the_same(conf, dataset):
    from recsys_airflow.scope import dataset_of_run

    assert dataset_of_run("recsys_train", conf) == dataset


def test_a_settings_file_moves_the_defaults(tmp_path, monkeypatch):
    from recsys_airflow.settings_form import settings_form, settings_of

    file = tmp_path / "nightly.toml"
    file.write_text("[train]\nepochs = 7\n")
    monkeypatch.setenv("RECSYS_SETTINGS", str(file))
    assert settings_form()["train.epochs"].value == 7
    assert settings_of({}).train.epochs == 7


def test_what_a_retry_cannot_mend_fails_the_task_at_once_with_its_sentence():
    from recsys_airflow.bridge import airflow_errors

    with pytest.raises(AirflowFailException, match=r"precision 0\.01"), airflow_errors():
        raise GateRejected(("precision 0.01",))


def test_what_a_retry_can_mend_is_left_to_the_retries():
    from recsys_airflow.bridge import airflow_errors

    with pytest.raises(StoreUnavailable), airflow_errors():
        raise StoreUnavailable("503")


def test_out_of_memory_is_said_in_words():
    from recsys_airflow.bridge import airflow_errors

    with pytest.raises(AirflowFailException, match="out of memory"), airflow_errors():
        raise MemoryError


def test_a_task_that_is_told_to_stop_ends_at_once_and_is_tried_again():
    from recsys_airflow.bridge import stopped_on_request

    def task(seen):
        with stopped_on_request():
            os.kill(os.getpid(), signal.SIGTERM)
            seen.append("goes on")

    seen = []
    with pytest.raises(AirflowException, match="the next try goes on") as stopped:
        task(seen)
    assert not seen
    assert not isinstance(stopped.value, AirflowFailException)


def test_parsing_the_dag_imports_nothing_heavy():
    heavy = {"numpy", "scipy", "lightfm", "annoy", "psycopg2", "numba", "matplotlib", "boto3"}
    found = subprocess.run(
        [sys.executable, "-c", "import recsys_train, sys; print('\\n'.join(sys.modules))"],
        env={"PYTHONPATH": ":".join(sys.path[:2]), **_airflow_variables()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert heavy.isdisjoint(found.stdout.split())


def _airflow_variables():
    return {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW")}


def test_the_approver_reads_which_version_consumers_would_get_and_finds_what_it_changes(
    monkeypatch,
):
    import jinja2

    from recsys_airflow.factory import make_dags

    class Ti:
        def xcom_pull(self, task_ids):
            manifest = {"manifest": "shop/versions/20261124T030000Z-00000001/manifest.json"}
            return manifest if task_ids == "publish" else {"precision_at_5": 0.1}

    monkeypatch.setenv("RECSYS_APPROVAL_HOURS", "12")
    asked = make_dags("train")["recsys_train"].get_task("approve")
    subject, body = (jinja2.Template(text).render(ti=Ti()) for text in (asked.subject, asked.body))
    assert subject == "Give consumers version 20261124T030000Z-00000001?"
    assert "/recsys/datasets/shop/compare?a=champion&b=20261124T030000Z-00000001" in body


def test_the_graph_reads_in_four_groups_that_rename_no_task(nightly):
    groups = nightly.task_group.get_task_group_dict()
    assert {name for name in groups if name} == {"data", "model", "version", "champion"}
    assert {task.task_id for task in nightly.tasks} == set(ORDER)
