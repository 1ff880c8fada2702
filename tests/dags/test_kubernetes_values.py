"""deploy/kubernetes/values.yaml, as far as it can be checked without Helm and a cluster."""

import json
from importlib import import_module
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.airflow

FILE = Path(__file__).parents[2] / "deploy" / "kubernetes" / "values.yaml"


@pytest.fixture(scope="module")
def values():
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def variables(values):
    return {entry["name"]: entry["value"] for entry in values["env"]}


def test_every_airflow_setting_is_one_that_airflow_knows(variables):
    from airflow.configuration import conf

    names = [name.split("__")[1:] for name in variables if name.startswith("AIRFLOW__")]
    assert names
    unknown = [
        (section, option)
        for section, option in names
        if option.lower() not in conf.configuration_description[section.lower()]["options"]
    ]
    assert unknown == []


def test_the_placement_is_accepted_and_names_tasks_that_exist(variables, monkeypatch):
    from recsys_airflow.factory import make_dags
    from recsys_airflow.placement import placements

    monkeypatch.setenv("RECSYS_PLACEMENT", variables["RECSYS_PLACEMENT"])
    tasks = {
        *make_dags("train")["recsys_train"].task_ids,
        *make_dags("tune")["recsys_tune"].task_ids,
    }
    assert set(placements()) <= tasks


def test_the_logging_class_is_the_projects_own(variables):
    path, _, name = variables["AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS"].rpartition(".")
    assert getattr(import_module(path), name)["version"] == 1


def test_no_secret_stands_in_the_file_and_both_connections_come_from_one(values):
    assert [entry["envName"] for entry in values["secret"]] == [
        "AIRFLOW_CONN_RECSYS_DB",
        "AIRFLOW_CONN_RECSYS_S3",
    ]
    assert "password" not in json.dumps(values).lower()


def test_entries_have_the_keys_and_types_that_the_charts_schema_allows_and_no_others(values):
    assert all({*entry} == {"name", "value"} for entry in values["env"])
    assert all({*entry} == {"envName", "secretName", "secretKey"} for entry in values["secret"])
    assert {*values["data"]} == {"metadataSecretName"}
    entries = [*values["env"], *values["secret"], values["data"]]
    assert {type(text) for entry in entries for text in entry.values()} == {str}


def test_a_pods_size_stands_where_the_chart_reads_it_since_1_20(values):
    assert {*values["workers"]} == {"kubernetes"}
    assert {*values["workers"]["kubernetes"]} == {"resources", "terminationGracePeriodSeconds"}


def test_no_volume_is_shared(values):
    assert not any(values[part]["persistence"]["enabled"] for part in ("dags", "logs"))
