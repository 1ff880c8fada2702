"""One settings file means the same by every command: it gives the dataset, unless the call names one."""

import json

import pytest

from recsys_tasks.cli.main import main
from recsys_tasks.cli.train import settings_from


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text('dataset = "shop"\n[train]\nepochs = 7\n')
    return path


def listed(capsys, *arguments):
    assert main(["train", "--list-settings", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_file_gives_the_dataset(file, capsys):
    assert listed(capsys, "--settings", str(file))["dataset"] == "shop"


def test_a_dataset_of_the_call_wins_over_the_file_even_the_default_one(file, capsys):
    given = ["--settings", str(file), "--dataset", "movielens"]
    assert listed(capsys, *given)["dataset"] == "movielens"


def test_without_both_it_is_the_default_one(capsys):
    assert listed(capsys)["dataset"] == "movielens"


def test_the_environments_file_counts_by_hand_too(file, capsys, monkeypatch):
    monkeypatch.setenv("RECSYS_SETTINGS", str(file))
    found = listed(capsys)
    assert (found["dataset"], found["train.epochs"]) == ("shop", 7)


def test_the_calls_file_wins_over_the_environments(file, tmp_path, capsys, monkeypatch):
    other = tmp_path / "other.toml"
    other.write_text('dataset = "books"\n')
    monkeypatch.setenv("RECSYS_SETTINGS", str(other))
    assert listed(capsys, "--settings", str(file))["dataset"] == "shop"


@pytest.mark.parametrize(
    "command", ["versions", "migrate", "recommend --user 1", "similar --movie 1"]
)
def test_commands_without_settings_take_the_environments_dataset(command, file, monkeypatch):
    from recsys_tasks.cli import main

    monkeypatch.setenv("RECSYS_SETTINGS", str(file))
    arguments = main.parser().parse_args(command.split())
    assert main.dataset_of(arguments) == "shop"


def test_a_file_that_cannot_be_read_is_named_and_nothing_else_is_taken(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("RECSYS_SETTINGS", str(tmp_path / "gone.toml"))
    assert main(["versions"]) == 2
    assert "gone.toml" in capsys.readouterr().err


def test_a_setting_of_the_call_wins_over_the_file(file):
    from recsys_tasks.cli import main

    words = ["train", "--settings", str(file), "--set", "dataset=books", "--set", "train.epochs=40"]
    arguments = main.parser().parse_args(words)
    arguments.dataset = main.dataset_of(arguments)
    settings = settings_from(arguments)
    assert (settings.dataset, settings.train.epochs) == ("books", 40)
