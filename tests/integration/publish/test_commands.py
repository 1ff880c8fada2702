"""The commands by hand: exit codes, documents on stdout, and words for a person."""

import json
from pathlib import Path

import pytest
from tiny_version import DATASET, make_version

from recsys_tasks.cli import main
from recsys_tasks.connections import StoreAccess
from recsys_tasks.publish.object_store import ObjectStore, file_sha256
from recsys_tasks.publish.publisher import access_variables, publish

pytestmark = pytest.mark.services

OLD, NEW, BAD = (f"2026112{day}T030000Z-0000000{day}" for day in (1, 2, 3))
KNOWN_USER, STRANGER = "35", "6"


@pytest.fixture
def published(
    bucket: StoreAccess, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StoreAccess:
    """Two accepted versions and a rejected one, no champion yet; the environment leads to them."""
    for name, value in access_variables(bucket).items():
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
    assert ask(capsys, "rollback", "--reason", "odd films")["version"] == OLD
    moves = ask(capsys, "history")
    assert [move["version"] for move in moves] == [OLD, NEW, OLD]
    assert (moves[1]["promoted_by"], moves[2]["reason"]) == ("ann", "odd films")


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
