"""What a command lacks is one line with what to do, and the exit code that belongs to it."""

import pytest

from benchmarks.__main__ import main as benchmarks_main
from recsys_tasks.cli.main import main


@pytest.mark.parametrize(
    "command", ["env", "status", "down", "versions", "recommend --user 1", "migrate"]
)
def test_outside_the_checkout_every_command_says_where_it_looked(
    command, tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("RECSYS_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 4
    said = capsys.readouterr().err
    assert f"no embedded stack runs in {tmp_path} or a folder above it" in said
    assert "RECSYS_HOME" in said


def test_a_missing_extra_is_one_line_that_names_it(monkeypatch, capsys):
    def missing(_arguments):
        raise ModuleNotFoundError("No module named 'psycopg2'", name="psycopg2.sql")

    monkeypatch.setattr("recsys_tasks.cli.data.migrate", missing)
    assert main(["migrate"]) == 2
    assert "the extra train: pip install 'recsys_tasks-….whl[train]'" in capsys.readouterr().err


def test_a_module_that_no_extra_brings_is_a_fault_of_ours(monkeypatch):
    def broken(_arguments):
        raise ModuleNotFoundError("No module named 'recsys_tasks.gone'", name="recsys_tasks.gone")

    monkeypatch.setattr("recsys_tasks.cli.data.migrate", broken)
    with pytest.raises(ModuleNotFoundError):
        main(["migrate"])


@pytest.mark.parametrize("command", ["batch", "tune"])
def test_a_file_in_a_folder_that_does_not_exist_is_refused_before_the_work(
    command, tmp_path, capsys
):
    assert main([command, "--out", str(tmp_path / "gone" / "file")]) == 2
    assert f"there is no folder {tmp_path / 'gone'}" in capsys.readouterr().err
    assert main([command, "--out", str(tmp_path)]) == 2


def test_a_folder_that_does_not_exist_is_made(tmp_path):
    assert (
        benchmarks_main(["generate", "--scale", "0.0005", "--out", str(tmp_path / "a" / "b")]) == 0
    )
    assert list((tmp_path / "a" / "b").glob("*.csv"))


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert (
        benchmarks_main(["generate", "--scale", "0.0005", "--out", str(tmp_path / "file" / "b")])
        == 3
    )
    assert str(tmp_path / "file") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("split.validation_fraction=0", "needs split.validation_fraction above 0"),
        ("train.engine=recsys", "the search would try"),
    ],
)
def test_a_search_that_would_fail_is_refused_before_any_data_is_prepared(assignment, words, capsys):
    assert main(["tune", "--set", assignment]) == 2
    assert words in capsys.readouterr().err
