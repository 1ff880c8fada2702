"""The data commands as a person or a script runs them: answers, exit codes, one line for a refusal."""

import json
from pathlib import Path

import pytest

from recsys_tasks.cli.main import main
from recsys_tasks.data.db.postgres import Database

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def connection(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_DB_URL", database_url)


def ingest(folder: Path, *more: str) -> list[str]:
    files = ["--movies", str(folder / "movies.csv"), "--ratings", str(folder / "ratings.csv")]
    return ["ingest", "--dataset", "mls", *files, *more]


def test_ingest_answers_with_the_account(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = bad / "good"
    aside = str(bad / "v12_unknown_movie.ratings.csv")
    assert main([*ingest(good), "--ratings", aside, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["dataset"] == "mls"
    movies, ratings = answer["files"]
    assert set(movies) == {
        *("role", "name", "sha256", "read", "loaded", "rejected", "duplicate", "already_loaded")
    }
    assert (ratings["read"], ratings["loaded"], ratings["rejected"]) == (62, 60, 2)
    assert [(row["file"], row["line"]) for row in answer["rejections"]] == [
        (aside, 62),
        (aside, 63),
    ]
    assert "999999" in answer["rejections"][0]["reason"]


def test_ingest_shows_a_person_the_account_and_the_rows_set_aside(
    bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ingest(bad / "good"), "--movies", str(bad / "m03_genres.movies.csv")]) == 0
    assert main(ingest(bad / "good")) == 0
    text = capsys.readouterr().out
    assert "already loaded: nothing done" in text
    assert "genre 'Kaiju' is no MovieLens genre" in text


def test_a_refused_file_exits_with_3_and_one_line(
    bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = str(bad / "h05_missing_column.ratings.csv")
    assert main([*ingest(bad / "good"), "--ratings", cut]) == 3
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"recsys: {cut}, line 1: no column timestamp in the first line")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ingest"], "name the files"),
        (["ingest", "--archive", "a.zip", "--set", "source.nonsense=1"], "no such setting"),
        (["ingest", "--archive", "a.zip", "--dataset", "Bad Name"], "dataset"),
        (["migrate", "--dataset", "1st"], "not a dataset's name"),
        (["fetch", "no-such-set"], "neither an address nor one of"),
    ],
)
def test_a_mistaken_call_exits_with_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_a_database_that_is_away_exits_with_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECSYS_DB_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert main(["migrate"]) == 4
    assert "Postgres" in capsys.readouterr().err


def test_migrate_says_the_revision_and_finds_nothing_to_do_again(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--dataset", "mls", "--json"]) == 0
    assert main(["migrate", "--dataset", "mls", "--json"]) == 0
    assert capsys.readouterr().out.count('"revision": "0002"') == 2
    versions = Database(database_url).fetch("SELECT version_num FROM mls.schema_version")
    assert versions == [("0002",)]


@pytest.mark.parametrize("command", ["fetch", "migrate", "ingest"])
def test_help_teaches_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"recsys {command}" in capsys.readouterr().out.partition("options:")[2]


def test_an_empty_name_is_no_leave_to_load_the_other_file_alone(
    bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ingest(bad / "good"), "--ratings", ""]) == 2
    assert "--ratings is empty" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("dataset", ["pg_catalog", "pg_mine", "information_schema"])
def test_a_schema_of_postgres_is_no_dataset(
    bad: Path, capsys: pytest.CaptureFixture[str], dataset: str
) -> None:
    assert main([*ingest(bad / "good"), "--dataset", dataset]) == 2
    assert "keeps for itself" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://u:secret@h/d", "postgresql://u:secret@[::1/d", "postgres:/x:y:z"]
)
def test_an_address_that_is_no_database_is_refused_in_one_line_without_its_password(
    bad: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("RECSYS_DB_URL", url)
    assert main(ingest(bad / "good")) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "none of the form postgresql://host:port/name" in error
    assert "secret" not in error


def test_a_hostile_file_name_and_a_hostile_title_are_shown_and_do_nothing(
    bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    catalogue = tmp_path / "mo\x1b[2J\u202evies.csv"
    title = "\x1b]0;owned\x07\u200bHeat"
    catalogue.write_text(f"movieId,title,genres\n1,{title} (1995),Kaiju\x1b\n", encoding="utf-8")
    files = ["--movies", str(catalogue), "--ratings", str(bad / "good" / "ratings.csv")]
    with caplog.at_level("INFO"):
        main(["ingest", "--dataset", "hostile", *files, "--set", "source.max_rejected=1"])
    out, err = capsys.readouterr()
    for text in (out, err, *caplog.messages):
        assert text.replace("\n", "").isprintable()
    assert "mo\\x1b[2J\\u202evies.csv" in "\n".join((out, err, *caplog.messages))
