"""Each answer of the command line leads to the next command: names, ids, and what is near a wrong one."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_version import DATASET, make_version

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.cli import report
from recsys_tasks.cli.main import main
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.publish.publisher import publish

pytestmark = pytest.mark.services

VERSION = "20261121T030000Z-00000001"
REJECTED = "20261122T030000Z-00000002"
OUTCOME = {
    "run_id": "scheduled__2026-11-22",
    "verdict": "rejected",
    "reason": "gate: the gate rejected the candidate: precision@5 as served is 0.02",
    "metrics": {"precision_at_5": 0.02},
}


@pytest.fixture
def store(
    bucket: StoreAccess, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ObjectStore:
    """A champion, and a later run that was rejected and left its report."""
    for name, value in bucket.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RECSYS_DB_URL", database_url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = ObjectStore(bucket)
    publish(store, DATASET, VERSION, tmp_path / "v", make_version(tmp_path / "v", VERSION))
    assert main(["promote", VERSION, "--dataset", DATASET]) == 0
    store.put(keys.runs(DATASET, REJECTED) + "report.html", b"<h1>Rejected</h1>")
    store.put_json(keys.runs(DATASET, REJECTED) + "outcome.json", OUTCOME)
    return store


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(list(words)) == code
    found = capsys.readouterr()
    return found.out if code == 0 else found.err


def test_datasets_are_listed_with_their_champion(store, capsys):
    assert VERSION in said(capsys, "datasets")
    [entry] = json.loads(said(capsys, "datasets", "--json"))
    assert (entry["dataset"], entry["champion"], entry["versions"]) == (DATASET, VERSION, 1)
    assert entry["precision_at_5"] == 0.1


def test_a_title_leads_to_an_id_and_an_id_to_similar_movies(store, capsys):
    found = json.loads(said(capsys, "search", "TALE", "film", "--dataset", DATASET, "--json"))
    assert found["exact"]
    assert len(found["items"]) == 10
    first = found["items"][0]
    text = said(capsys, "similar", "--movie", str(first["movie_id"]), "--dataset", DATASET)
    assert text.splitlines()[0].startswith(f"movies like {first['title']}, movie ")
    movie = json.loads(
        said(
            capsys,
            "similar",
            "--movie",
            str(first["movie_id"]),
            "-k",
            "1",
            "--dataset",
            DATASET,
            "--json",
        )
    )["items"][0]
    assert str(movie["movie_id"]) in text.splitlines()[2].split()


def test_a_title_that_nobody_has_is_answered_with_the_nearest(store, capsys):
    near = json.loads(said(capsys, "search", "film no17 a tale", "--dataset", DATASET, "--json"))
    assert not near["exact"]
    assert near["items"]
    assert "none is near" in said(capsys, "search", "zzzz", "--dataset", DATASET, code=3)


def test_recommendations_name_the_movies_ids(store, capsys):
    words = ("recommend", "--user", "35", "-k", "3", "--dataset", DATASET)
    items = json.loads(said(capsys, *words, "--json"))["items"]
    lines = said(capsys, *words).splitlines()[2:]
    assert [int(line.split()[1]) for line in lines] == [item["movie_id"] for item in items]


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["versions", "--dataset", "tinys"], f"did you mean {DATASET}?"),
        (["history", "--dataset", "tinys"], f"there are: {DATASET}"),
        (["recommend", "--user", "35", "--dataset", "tinys"], f"did you mean {DATASET}?"),
        (["recommend", "--user", "35", "--genre", "comedy"], "did you mean Comedy?"),
        (["recommend", "--likes-genre", "Scifi"], "did you mean Sci-Fi?"),
        (["similar", "--movie", "2", "--genre", "Opera"], "there are: Comedy, Drama, Sci-Fi"),
        (["similar", "--movie", "3"], "recsys search TITLE"),
        (["report", VERSION[:-1] + "7"], f"did you mean {VERSION}?"),
        (["show", "champoin"], "did you mean champion?"),
    ],
)
def test_an_unknown_name_is_answered_with_what_there_is(store, capsys, words, near):
    given = words if "--dataset" in words else [*words, "--dataset", DATASET]
    assert near in said(capsys, *given, code=3)


def test_an_unknown_user_gets_the_popular_list_and_the_nearest_ids(store, capsys):
    text = said(capsys, "recommend", "--user", "36", "--dataset", DATASET)
    assert "there is no user 36 in this version; the nearest ids are 35 and 38" in text


@pytest.mark.parametrize("name", [REJECTED, "last", OUTCOME["run_id"]])
def test_the_report_of_a_rejected_run_is_had_by_its_version_and_by_its_run(
    store, capsys, tmp_path, name
):
    out = tmp_path / "report.html"
    text = said(capsys, "report", name, "--dataset", DATASET, "--out", str(out))
    assert text.startswith("Rejected: precision@5 as served is 0.02. The champion stays.")
    assert out.read_bytes() == b"<h1>Rejected</h1>"


def test_the_report_is_opened_in_the_browser(store, capsys, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr(report.webbrowser, "open", lambda url: bool(opened.append(url)) or True)
    answer: Any = json.loads(said(capsys, "report", "--open", "--dataset", DATASET, "--json"))
    assert opened == [Path(answer["file"]).as_uri()]
    assert Path(answer["file"]).read_bytes() == b"<h1>Rejected</h1>"


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["show", "20200101T000000Z-00000000"], 3, "NotFound"),
        (["show", "../x"], 2, "SettingsError"),
    ],
)
def test_with_json_an_error_is_a_document_on_stdout_with_the_same_exit_code(
    store, capsys, words, code, kind
):
    capsys.readouterr()
    assert main([*words, "--dataset", DATASET, "--json"]) == code
    found = capsys.readouterr()
    error = json.loads(found.out)["error"]
    assert (error["kind"], error["exit_code"]) == (kind, code)
    assert f"recsys: {error['message']}" in found.err


def test_with_json_a_call_that_is_wrong_is_a_document_too(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["similar", "--json"])
    found = capsys.readouterr()
    assert ended.value.code == json.loads(found.out)["error"]["exit_code"] == 2
    assert "usage: recsys similar" in found.err
