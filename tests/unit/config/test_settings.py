"""Settings: presets, files and overrides in order; what is unknown or out of bounds is named."""

import pytest
from pydantic import BaseModel

from recsys_tasks.config.settings import PRESETS, Settings, parse_assignments
from recsys_tasks.errors import SettingsError


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid(preset):
    assert Settings.load(preset).dataset == "movielens"


def test_overrides_win_over_the_file_and_the_file_over_the_preset(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[train]\nepochs = 7\ncomponents = 8\n")
    settings = Settings.load("article", file, {"train.components": 9})
    assert (settings.train.epochs, settings.train.components) == (7, 9)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"train.epoch": 3}, "train.epoch: no such setting"),
        ({"trian.epochs": 3}, "trian: no such setting"),
        ({"train.epochs": 0}, "train.epochs"),
        ({"train.learning_rate": float("nan")}, "train.learning_rate"),
        ({"dataset": "Robert'); DROP"}, "dataset"),
        ({"dataset.x": 1}, "dataset"),
        ({"source.rating_columns.user": "movieId"}, "source.rating_columns: each needs a name"),
        ({"source.movie_columns.title": " "}, "source.movie_columns: each needs a name"),
    ],
)
def test_a_bad_key_or_value_is_refused_by_name(overrides, named):
    with pytest.raises(SettingsError, match=r"^" + named):
        Settings.load(overrides=overrides)


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("train.epoch", "train.epochs"),
        ("epochs", "train.epochs"),
        ("trian.epochs", "train"),
        ("source.rating_column", "source.rating_columns"),
        ("gate.min_precison", "gate.min_precision"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_known_one(misspelt, meant, tmp_path):
    with pytest.raises(SettingsError, match=rf"no such setting; did you mean {meant}\?"):
        Settings.load(overrides={misspelt: 3})
    file = tmp_path / "settings.toml"
    file.write_text(f"{misspelt} = 3\n")
    with pytest.raises(SettingsError, match=rf"did you mean {meant}\?"):
        Settings.load(file=file)


def test_a_key_like_no_other_gets_no_suggestion():
    with pytest.raises(SettingsError, match=r"^qqq\.zzz: no such setting$|^qqq: no such setting$"):
        Settings.load(overrides={"qqq.zzz": 1})


@pytest.mark.parametrize("preset", ["", "nighty"])
def test_an_unknown_preset_lists_the_known_ones(preset):
    with pytest.raises(SettingsError, match="nightly"):
        Settings.load(preset)


def test_a_file_that_is_not_toml_is_refused_by_name(tmp_path):
    file = tmp_path / "broken.toml"
    file.write_text("train = [")
    with pytest.raises(SettingsError, match=r"broken\.toml"):
        Settings.load(file=file)


def test_the_flat_form_loads_to_the_same_settings():
    settings = Settings.load("article", overrides={"train.epochs": 3})
    assert Settings.load(overrides=settings.flat()) == settings


def test_assignments_take_json_and_fall_back_to_text():
    assignments = ["train.epochs=3", "train.genres=false", "source.movies=/a b.csv", "x=a=b"]
    assert parse_assignments(assignments) == {
        "train.epochs": 3,
        "train.genres": False,
        "source.movies": "/a b.csv",
        "x": "a=b",
    }


def test_an_assignment_without_a_value_is_refused():
    with pytest.raises(SettingsError, match=r"section\.field=value"):
        parse_assignments(["train.epochs"])


def _sections(model: type[BaseModel]):
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _sections(field.annotation)


def test_every_field_has_a_sentence():
    bare = [
        f"{section.__name__}.{name}"
        for section in _sections(Settings)
        for name, field in section.model_fields.items()
        if not field.description
        and not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
    ]
    assert bare == []


@pytest.mark.parametrize("method", ["shuffle", "time", "leave_last"])
def test_a_warm_start_is_refused_where_a_pair_does_not_stay_in_its_part(method):
    with pytest.raises(
        SettingsError, match=rf"train\.warm_start needs split\.method random.*{method}"
    ):
        Settings.load(overrides={"train.warm_start": True, "split.method": method})
    with pytest.raises(SettingsError, match=r"train\.warm_start needs split\.method random"):
        Settings.load("article", overrides={"train.warm_start": True})
