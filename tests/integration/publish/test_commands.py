"""The commands by hand: exit codes, documents on stdout, and words for a person."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tiny_version import DATASET, make_version

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore, file_sha256
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.cli.main import main
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.pipeline.champion_event import ASSET
from recsys_tasks.publish.publisher import publish

pytestmark = pytest.mark.services

OLD, NEW, BAD = (f"2026112{day}T030000Z-0000000{day}" for day in (1, 2, 3))
KNOWN_USER, STRANGER = "35", "6"


@pytest.fixture
def published(
    bucket: StoreAccess, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StoreAccess:
    """Two accepted versions and a rejected one, no champion yet; the environment leads to them."""
    for name, value in bucket.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RECSYS_DB_URL", database_url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = ObjectStore(bucket)
    for version, seed, accepted in ((OLD, 1, True), (NEW, 2, True), (BAD, 3, False)):
        folder = tmp_path / version
        publish(store, DATASET, version, folder, make_version(folder, version, seed, accepted))
    return bucket


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> object:
    assert main([*words, "--dataset", DATASET, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_the_champion_moves_forward_and_back_and_keeps_its_history(
    published: StoreAccess, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(capsys, "promote", OLD)
    ask(capsys, "promote", NEW, "--by", "ann")
    assert [v["champion"] for v in ask(capsys, "versions")] == [False, True, False]
    assert ask(capsys, "rollback", "--reason", "odd movies")["version"] == OLD
    moves = ask(capsys, "history")
    assert [move["version"] for move in moves] == [OLD, NEW, OLD]
    assert (moves[1]["promoted_by"], moves[2]["reason"]) == ("ann", "odd movies")


def fail(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    """What a refused command says on stderr."""
    assert main([*words, "--dataset", DATASET]) == code
    return capsys.readouterr().err


def champion_of(access: StoreAccess) -> str | None:
    pointer = read_pointer(ObjectStore(access), DATASET)
    return pointer and pointer.version


def test_a_nervous_hand_rolls_back_once(
    published: StoreAccess, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    newest, folder = "20261124T030000Z-00000004", tmp_path / "newest"
    manifest = make_version(folder, newest, 4)
    publish(ObjectStore(published), DATASET, newest, folder, manifest)
    for version in (OLD, NEW, newest):
        ask(capsys, "promote", version)
    assert ask(capsys, "rollback", "--from", newest)["version"] == NEW
    assert ask(capsys, "rollback", "--from", newest)["version"] == NEW
    said = fail(capsys, 3, "rollback")
    assert f"went back from {newest} to {NEW} already" in said
    assert champion_of(published) == NEW
    assert ask(capsys, "rollback", "--from", NEW)["version"] == OLD
    assert "no predecessor" in fail(capsys, 3, "rollback", "--from", OLD)


def test_a_rollback_names_one_version_before_and_one_after(
    published: StoreAccess, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ask(capsys, "promote", OLD)
    ask(capsys, "promote", NEW)
    caplog.clear()
    assert main(["rollback", "--dataset", DATASET]) == 0
    text = capsys.readouterr().out
    assert f"the champion of {DATASET} is {OLD}, in place of {NEW}" in text
    assert "before" not in text + caplog.text


def test_an_older_version_than_the_champion_is_promoted_only_on_a_persons_word(
    published: StoreAccess, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(capsys, "promote", NEW)
    said = fail(capsys, 3, "promote", OLD)
    assert OLD in said
    assert NEW in said
    assert champion_of(published) == NEW
    assert ask(capsys, "promote", OLD, "--older")["version"] == OLD


def test_a_version_that_verify_refused_is_not_listed_as_accepted_and_not_promoted(
    published: StoreAccess, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ObjectStore(published)
    key = keys.version(DATASET, NEW) + "items.ann"
    whole = store.get(key)
    store.put(key, whole[:-8])
    assert "items.ann" in fail(capsys, 3, "verify", NEW)
    entry = next(entry for entry in ask(capsys, "versions") if entry["version"] == NEW)
    assert entry["accepted"] is False
    assert "items.ann" in entry["refused"]
    assert main(["versions", "--dataset", DATASET]) == 0
    assert "refused" in capsys.readouterr().out
    assert "items.ann" in fail(capsys, 3, "promote", NEW)
    assert champion_of(published) is None
    store.put(key, whole)
    ask(capsys, "verify", NEW)
    assert all(entry["accepted"] for entry in ask(capsys, "versions") if entry["version"] != BAD)


def test_a_move_by_hand_tells_airflow_or_says_that_it_could_not(
    published: StoreAccess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(capsys, "promote", OLD)["airflow_told"] is False
    with airflow() as (url, events):
        monkeypatch.setenv("AIRFLOW_API_URL", url)
        monkeypatch.setenv("AIRFLOW_USER", "admin")
        monkeypatch.setenv("AIRFLOW_PASSWORD", "x")
        assert ask(capsys, "promote", NEW)["airflow_told"] is True
        assert ask(capsys, "rollback")["airflow_told"] is True
    assert [(event["asset_id"], event["extra"]["version"]) for event in events] == [
        (7, NEW),
        (7, OLD),
    ]
    assert main(["promote", NEW, "--dataset", DATASET]) == 4
    assert f"recsys promote {NEW} --dataset {DATASET}" in capsys.readouterr().out
    assert champion_of(published) == NEW


@contextmanager
def airflow() -> Iterator[tuple[str, list[Any]]]:
    """Airflow's API as far as events go, answering as version 3.3.2 does; keeps the events."""
    events: list[Any] = []
    answers = {
        "/auth/token": (201, {"access_token": "t"}),
        "/api/v2/assets": (200, {"assets": [{"id": 3, "name": "x"}, {"id": 7, "name": ASSET}]}),
        "/api/v2/assets/events": (200, {}),
    }

    class Api(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            path = self.path.partition("?")[0]
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if path.endswith("events"):
                events.append(json.loads(body))
            status, document = answers[path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", events
    server.shutdown()
    server.server_close()


def test_a_rejected_version_is_promoted_only_by_force_with_a_reason(
    published: StoreAccess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["promote", BAD, "--dataset", DATASET]) == 3
    assert main(["promote", BAD, "--dataset", DATASET, "--force"]) == 2
    assert "needs a reason" in capsys.readouterr().err
    pointer = ask(capsys, "promote", BAD, "--force", "--reason", "a hotfix")
    assert (pointer["forced"], pointer["reason"]) == (True, "a hotfix")


def test_recommend_names_its_tier_for_a_known_user_and_for_a_stranger(
    published: StoreAccess, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(capsys, "promote", NEW)
    known = ask(capsys, "recommend", "--user", KNOWN_USER, "-k", "3")
    assert (known["tier"], known["version"], len(known["items"])) == ("model", NEW, 3)
    assert {"movie_id", "title", "genres", "score"} <= known["items"][0].keys()
    assert ask(capsys, "recommend", "--user", STRANGER)["tier"] == "popular"
    assert main(["recommend", "--user", STRANGER, "--dataset", DATASET]) == 0
    assert "knows nothing of this user" in capsys.readouterr().out


def test_genres_filter_and_liked_movies_fold_in(
    published: StoreAccess, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(capsys, "promote", NEW)
    comedies = ask(capsys, "recommend", "--user", KNOWN_USER, "--genre", "Comedy")
    assert {genre for item in comedies["items"] for genre in item["genres"]} == {"Comedy"}
    assert ask(capsys, "recommend", "--liked", "2", "--liked", "9")["tier"] == "fold_in"
    assert ask(capsys, "recommend", "--likes-genre", "Drama")["tier"] == "fold_in"
    similar = ask(capsys, "similar", "--movie", "2", "-k", "4")
    assert 2 not in [item["movie_id"] for item in similar["items"]]


def test_batch_writes_a_line_for_every_user(
    published: StoreAccess, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "top.jsonl"
    done = ask(capsys, "batch", "--version", OLD, "--out", str(out), "-k", "3")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert done["users"] == len(lines) == 40
    one = ask(capsys, "recommend", "--version", OLD, "--user", str(lines[20]["user_id"]), "-k", "3")
    assert lines[20]["movie_ids"] == [item["movie_id"] for item in one["items"]]


def test_batch_writes_one_shard_to_a_file_or_all_of_them_to_the_bucket(
    published: StoreAccess, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out, shards = str(tmp_path / "2.jsonl"), ("--version", OLD, "--shards", "3")
    assert ask(capsys, "batch", *shards, "--shard", "2", "--out", out)["users"] == 14
    done = ask(capsys, "batch", *shards, "--publish")
    last = ObjectStore(published).get_json(done["out"])["parts"][2]
    assert last["sha256"] == file_sha256(tmp_path / "2.jsonl")
    assert main(["batch", "--publish", "--shard", "0", "--dataset", DATASET]) == 2
    assert "--shard goes with --out" in capsys.readouterr().err


def test_verify_show_and_gc_dry_run_change_nothing(
    published: StoreAccess, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(capsys, "promote", NEW)
    before = ObjectStore(published).list("")
    assert ask(capsys, "verify", "champion")["queries"] > 10
    assert ask(capsys, "show", OLD)["version"] == OLD
    plan = ask(capsys, "gc", "--keep", "0", "--older-than", "0m", "--dry-run")
    assert [r["prefix"] for r in plan["removed"]] == [
        f"{DATASET}/versions/{v}/" for v in (OLD, BAD)
    ]
    assert ObjectStore(published).list("") == before


def test_what_is_not_there_is_said_with_exit_code_3(
    published: StoreAccess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recommend", "--user", "1", "--dataset", DATASET]) == 3
    assert "no champion yet" in capsys.readouterr().err
    assert main(["verify", "20200101T000000Z-00000000", "--dataset", DATASET]) == 3
    assert main(["similar", "--movie", "1", "--version", OLD, "--dataset", DATASET]) == 3
