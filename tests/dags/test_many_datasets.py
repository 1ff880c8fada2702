"""DAGs of many datasets: one TOML file each, with a schedule and an asset of its own; a broken file stops no other."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable

from recsys_tasks.errors import SettingsError

pytestmark = pytest.mark.airflow

FILES = {
    "books.toml": 'dataset = "books"\n[dag]\ncron = "30 2 * * *"\ntimezone = "Europe/Berlin"\n',
    "shop.toml": 'dataset = "shop"\n[train]\nepochs = 7\n[dag]\nassets = ["s3://lake/shop"]\n'
    'owner = "shop-team"\ntags = ["retail"]\n',
    "tea.toml": 'dataset = "tea"\n[dag]\ncron = "0 1 * * *"\nassets = ["tea_loaded"]\n',
    "plain.toml": 'dataset = "plain"\n',
    "broken.toml": 'dataset = "broken"\n[train]\nepochs = "many"\n',
    "cron.toml": 'dataset = "cron"\n[dag]\ncron = "0 25 * * *"\n',
}
GOOD = ("books", "plain", "shop", "tea")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("RECSYS_SETTINGS_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def dag_bag(folder, project):
    return DagBag(project / "dags")


def test_each_file_has_its_dags_and_the_broken_ones_are_one_named_import_error(dag_bag, project):
    kinds = ("train", "tune", "batch", "retention")
    expected = {f"recsys_{kind}_{dataset}" for kind in kinds for dataset in GOOD}
    assert set(dag_bag.dags) == expected | {"recsys_consumer_example"}
    [(file, said)] = dag_bag.import_errors.items()
    assert file == str(project / "dags" / "recsys_settings.py")
    assert "broken.toml: train.epochs: Input should be a valid integer" in said
    assert "cron.toml: [dag] cron: '0 25 * * *': " in said


def test_a_file_that_is_mended_is_back_with_the_next_parse(folder, project):
    for name in ("broken.toml", "cron.toml"):
        (folder / name).write_text(f'dataset = "{name[:-5]}"\n')
    found = DagBag(project / "dags")
    assert found.import_errors == {}
    assert {"recsys_train_broken", "recsys_train_cron"} <= set(found.dags)


def test_each_has_the_schedule_of_its_file(dag_bag, monkeypatch):
    by_clock = dag_bag.dags["recsys_train_books"].timetable
    assert isinstance(by_clock, CronTriggerTimetable)
    assert (by_clock.expression, by_clock.timezone) == ("30 2 * * *", "Europe/Berlin")
    by_asset = dag_bag.dags["recsys_train_shop"].timetable
    assert "s3://lake/shop" in repr(by_asset)
    both = dag_bag.dags["recsys_train_tea"].timetable
    assert isinstance(both, AssetOrTimeSchedule)
    assert both.timetable.expression == "0 1 * * *"
    assert "tea_loaded" in repr(both)
    assert dag_bag.dags["recsys_train_plain"].timetable.expression == "0 3 * * *"


def test_each_promotes_to_an_asset_of_its_own(dag_bag):
    outlets = {
        dataset: [
            asset.name
            for asset in dag_bag.dags[f"recsys_train_{dataset}"].get_task("promote").outlets
        ]
        for dataset in GOOD
    }
    assert outlets == {dataset: [f"recsys_champion/{dataset}"] for dataset in GOOD}


def test_each_says_whose_it_is_and_where_to_look(dag_bag):
    dag = dag_bag.dags["recsys_train_shop"]
    assert dag.tags == {"recsys", "shop", "retail"}
    assert {task.owner for task in dag.tasks} == {"shop-team"}
    assert dag.dag_display_name == "recsys_train_shop: train and publish"
    assert "/recsys/datasets/shop)" in dag.doc_md
    assert "`shop.toml`" in dag.doc_md


def test_no_form_has_a_field_for_the_dataset_and_another_ones_is_refused(dag_bag):
    from recsys_airflow.scope import scope_of_dag
    from recsys_airflow.settings_form import settings_of

    assert [dag_id for dag_id, dag in dag_bag.dags.items() if "dataset" in dag.params] == []
    shop = scope_of_dag("recsys_train_shop")
    assert settings_of({"train.components": 8}, shop).train.epochs == 7
    assert settings_of({"dataset": "shop"}, shop).dataset == "shop"
    with pytest.raises(SettingsError, match="dataset: this DAG is for shop, not for books"):
        settings_of({"dataset": "books"}, shop)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("kind", ["scheduled", "asset_triggered", "manual"])
def test_a_run_without_a_logical_date_has_a_version_and_a_moment(kind, monkeypatch):
    from recsys_airflow import run_context
    from recsys_airflow.nights import known_to

    moment = datetime(2026, 11, 20, 3, 30, tzinfo=UTC)
    dag_run = SimpleNamespace(
        dag_id="recsys_train_shop",
        run_id="r1",
        run_type=kind,
        conf={},
        run_after=moment,
        data_interval_end=None,
        logical_date=None,
    )
    monkeypatch.setattr(run_context, "get_current_context", lambda: {"dag_run": dag_run})
    run = run_context.current_run()
    assert run.dataset == "shop"
    assert run.version.startswith("20261120T0330")
    known = known_to(dag_run, run_context.settings_of_run(dag_run)).rated_until_time()
    assert known == (None if kind == "manual" else moment)


@pytest.mark.usefixtures("folder")
def test_the_batch_of_one_dataset_refuses_another_one(monkeypatch):
    from recsys_airflow import run_context

    context = {"dag_run": SimpleNamespace(dag_id="recsys_batch_shop"), "params": {"k": 3}}
    monkeypatch.setattr(run_context, "get_current_context", lambda: context)
    assert run_context.dataset() == "shop"
    context["params"]["dataset"] = "books"
    with pytest.raises(SettingsError, match="this DAG is for shop, not for books"):
        run_context.dataset()


def test_a_task_reads_the_files_of_its_own_dataset_only(folder, monkeypatch):

    from recsys_airflow import factory

    context = SimpleNamespace(dag_id="recsys_train_tea", task_id="train")
    monkeypatch.setattr(factory, "get_parsing_context", lambda: context)
    assert list(factory.make_dags("train")) == ["recsys_train_tea"]


def test_a_dag_file_of_one_dataset_fails_alone(folder):
    from recsys_airflow.factory import make_dags

    assert list(make_dags("train", dataset="books")) == ["recsys_train_books"]
    with pytest.raises(SettingsError, match=r"cron\.toml: \[dag\] cron"):
        make_dags(dataset="cron")
    with pytest.raises(SettingsError, match="for the dataset nobody"):
        make_dags(dataset="nobody")


def test_a_run_whose_file_is_gone_says_so_and_still_has_its_dataset(folder):
    from recsys_airflow.scope import dataset_of_run, scope_of_dag

    (folder / "tea.toml").unlink()
    assert dataset_of_run("recsys_train_tea", {"dataset": "x"}) == "tea"
    with pytest.raises(
        SettingsError, match="no file of RECSYS_SETTINGS_DIR is for the dataset tea"
    ):
        scope_of_dag("recsys_train_tea")


def test_without_the_folder_a_dags_name_says_nothing_of_a_dataset(monkeypatch):
    from recsys_airflow.factory import make_dags
    from recsys_airflow.scope import dataset_of_run, is_training

    assert dataset_of_run("recsys_train_tea", {"dataset": "x"}) == "x"
    assert is_training("recsys_train")
    assert not is_training("recsys_train_tea")
    with pytest.raises(SettingsError, match="RECSYS_SETTINGS_DIR is not set"):
        make_dags(dataset="tea")


def test_the_one_settings_file_may_give_the_schedule_too(tmp_path, monkeypatch):
    from recsys_airflow.factory import make_dags

    (tmp_path / "one.toml").write_text('[dag]\ncron = "5 4 * * *"\nowner = "us"\n')
    monkeypatch.setenv("RECSYS_SETTINGS", str(tmp_path / "one.toml"))
    dag = make_dags("train")["recsys_train"]
    assert dag.timetable.expression == "5 4 * * *"
    assert dag.get_task("train").owner == "us"


def test_the_pages_of_a_dataset_ask_for_the_right_to_its_dag(folder, monkeypatch):
    from recsys_airflow.pages import access
    from recsys_airflow.scope import training_dags

    def allows(details, **_):
        return details.id == "recsys_train_shop"

    manager = SimpleNamespace(is_authorized_dag=allows)
    monkeypatch.setattr(access, "get_auth_manager", lambda: manager)
    assert (access.may_read("me", "shop"), access.may_move("me", "shop")) == (True, True)
    assert (access.may_read("me", "books"), access.may_move("me", "books")) == (False, False)
    assert "recsys_train_shop" in training_dags()
    assert access.may_read_any("me", training_dags())
    asked = SimpleNamespace(url=SimpleNamespace(path="/recsys/datasets/books/versions/v"))
    assert access.dags_of(asked) == ["recsys_train_books"]
