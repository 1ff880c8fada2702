"""Every DAG's form opens ready to go, takes what it shows, and what was filled in is what runs."""

import json
from pathlib import Path

import jsonschema
import pytest
from airflow.dag_processing.dagbag import DagBag

from recsys_tasks.config.settings import DEPLOYERS, PRESETS, Settings
from recsys_tasks.errors import SettingsError

pytestmark = pytest.mark.airflow

DAGS = DagBag(Path(__file__).parents[2] / "dags").dags
FIELDS = [
    (dag_id, name, dag.params.get_param(name))
    for dag_id, dag in DAGS.items()
    for name in dag.params
]
IDS = [f"{dag_id}-{name}" for dag_id, name, _ in FIELDS]


def opened(dag_id="recsys_train"):
    """What Airflow submits of a form that nobody touched."""
    return {name: DAGS[dag_id].params[name] for name in DAGS[dag_id].params}


def settings_of(conf):
    from recsys_airflow.settings_form import settings_of

    return settings_of(conf)


def insists(param):
    """Airflow's page disables Trigger while such a field is empty."""
    kind = param.schema.get("type")
    return bool(kind) and "null" not in ([kind] if isinstance(kind, str) else kind)


def kinds(param):
    kind = param.schema.get("type", [])
    return {kind} if isinstance(kind, str) else set(kind)


@pytest.mark.parametrize(("dag_id", "name", "param"), FIELDS, ids=IDS)
def test_a_form_opens_with_every_field_that_airflow_insists_on_filled(dag_id, name, param):
    assert kinds(param), "a field without a type cannot be left empty by purpose"
    assert not (insists(param) and param.value in (None, ""))
    jsonschema.validate(param.value, param.schema)


@pytest.mark.parametrize(
    ("dag_id", "name", "param"),
    [field for field in FIELDS if "array" in kinds(field[2])],
    ids=[i for i, field in zip(IDS, FIELDS, strict=True) if "array" in kinds(field[2])],
)
def test_a_list_is_a_json_field_that_shows_an_example_which_it_takes(dag_id, name, param):
    assert param.schema["items"].get("type", "string") != "string", "Airflow shows lines of text"
    example = json.loads(
        param.description.rpartition("JSON, such as ")[2].partition(". Setting")[0]
    )
    assert example
    jsonschema.validate(example, param.schema)
    assert Settings.load(overrides={name: example, "tune.trials": 500})


def test_a_rule_of_the_gate_can_be_written_in_the_form_and_a_wrong_one_is_refused_there():
    param = DAGS["recsys_train"].params.get_param("gate.rules")
    rule = {"name": "mrr", "metric": "test_served.mrr", "bound": 0.1}
    jsonschema.validate([rule], param.schema)
    assert settings_of(opened() | {"gate.rules": [rule]}).gate.rules[0].bound == 0.1
    for wrong in (["mrr"], [{"name": "mrr"}], [{**rule, "bond": 1}]):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, param.schema)


@pytest.mark.parametrize("preset", PRESETS)
def test_an_untouched_form_runs_the_preset(preset):
    assert settings_of(opened() | {"preset": preset}) == Settings.load(preset)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_value_given_on_purpose_wins_over_the_preset_even_where_it_is_the_default(preset):
    usual = Settings.load("nightly").flat()
    moved = {
        name
        for each in PRESETS
        for name, v in Settings.load(each).flat().items()
        if v != usual[name]
    }
    for name in moved:
        if (preset, name) == ("spark", "split.validation_fraction"):
            continue
        for conf in (
            {"preset": preset, name: usual[name]},
            opened() | {"preset": preset, name: usual[name]},
        ):
            assert settings_of(conf).flat()[name] == usual[name], name


@pytest.mark.parametrize("name", DEPLOYERS)
def test_what_decides_which_code_runs_where_is_refused_in_a_conf_by_name(name):
    value = {"spark.master": "local[2]", "spark.options": [], "spark.exchange": "/tmp"}[name]
    with pytest.raises(SettingsError, match=rf"^{name}: not from a run's conf"):
        settings_of({name: value})
    assert [dag_id for dag_id, dag in DAGS.items() if name in dag.params] == []


def test_the_deployers_file_still_decides_it(tmp_path, monkeypatch):
    file = tmp_path / "deployed.toml"
    file.write_text('[spark]\nmaster = "spark://cluster:7077"\noptions = ["spark.a=b"]\n')
    monkeypatch.setenv("RECSYS_SETTINGS", str(file))
    assert settings_of({"preset": "spark"}).spark.master == "spark://cluster:7077"


def test_a_form_does_not_show_what_the_deployers_file_keeps_secret_and_the_run_has_it(
    tmp_path, monkeypatch
):
    from recsys_airflow.settings_form import settings_form

    address = "https://me:planted-login@host.example/ratings.csv?X-Amz-Signature=planted"
    file = tmp_path / "deployer.toml"
    file.write_text(f'[source]\nratings = "{address}"\nmovies = "/data/movies.csv"')
    monkeypatch.setenv("RECSYS_SETTINGS", str(file))
    form = settings_form()
    assert "planted" not in str([param.serialize() for param in form.values()])
    assert form["source.movies"].value == "/data/movies.csv"
    submitted = {name: param.value for name, param in form.items()}
    assert settings_of(submitted).source.ratings == address


def test_an_unknown_key_of_a_conf_is_answered_with_the_nearest():
    with pytest.raises(SettingsError, match=r"train\.epoch; did you mean train\.epochs\?"):
        settings_of({"train.epoch": 3})
    with pytest.raises(SettingsError, match=r"prest; did you mean preset\?"):
        settings_of({"prest": "article"})


@pytest.mark.parametrize("dag_id", ["recsys_train", "recsys_tune"])
def test_a_form_opens_with_what_a_person_sets_and_folds_the_rest_under_titles_in_words(dag_id):
    schemas = {name: DAGS[dag_id].params.get_param(name).schema for name in DAGS[dag_id].params}
    unfolded = [name for name, schema in schemas.items() if "section" not in schema]
    assert unfolded == ["dataset", "source.movies", "source.ratings", "preset"]
    assert list(schemas)[: len(unfolded)] == unfolded
    sections = list(dict.fromkeys(schema.get("section") for schema in schemas.values()))
    assert sections[-1] == "Advanced"
    assert not any("." in section or "_" in section for section in sections[1:])


def test_no_two_fields_of_a_section_have_one_title():
    dag = DAGS["recsys_tune"]
    fields = [dag.params.get_param(name).schema for name in dag.params]
    titles = [(field.get("section"), field["title"]) for field in fields]
    assert sorted(set(titles), key=str) == sorted(titles, key=str)
    assert not [title for _, title in titles if "_" in title]


def test_help_names_the_setting_its_bounds_and_what_each_preset_makes_of_it():
    params = DAGS["recsys_train"].params
    words = params.get_param("train.epochs").description
    assert "At least 1, at most 1000." in words
    assert "Empty: nightly 40, article 250, quick 5, spark 12." in words
    assert words.endswith("Setting train.epochs.")
    assert "train.components 16, train.epochs 5" in params.get_param("preset").description


@pytest.mark.parametrize(("name", "beyond"), [("train.epochs", -3), ("gate.min_precision", 1.5)])
def test_a_number_out_of_bounds_is_refused_by_name_and_not_moved_to_the_bound(name, beyond):
    """Airflow's widget clamps to a bound that it sees in the schema's own ``minimum``, silently."""
    param = DAGS["recsys_train"].params.get_param(name)
    assert not {"minimum", "maximum"} & set(param.schema)
    with pytest.raises(jsonschema.ValidationError, match=str(beyond)):
        jsonschema.validate(beyond, param.schema)
    with pytest.raises(SettingsError, match=name):
        settings_of({name: beyond})


def test_a_conf_may_name_a_setting_as_the_release_before_did():
    settings = settings_of({"train.anchor_every": 3, "positives.liked_weight": 0.25})
    assert settings.train.full_retrain_every == 3
    assert settings.positives.weak_weight == 0.25
