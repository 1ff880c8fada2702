"""A policy counts at the next reload, without a training; a broken one is refused and the last good one stays."""

import hashlib
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_version import DATASET, make_version, unchecked

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.cli.main import main
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.publish.channels import promote
from recsys_tasks.publish.publisher import publish
from recsys_tasks.publish.verify import verify
from recsys_tasks.recommend.batch_parts import put_part, seal_parts
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services

VERSION, USER = "20261124T030000Z-00000001", "user é-53.35"


@pytest.fixture
def store(bucket: StoreAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A champion with text ids; the environment leads to it."""
    for name, value in bucket.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store, folder = ObjectStore(bucket), tmp_path / VERSION
    publish(store, DATASET, VERSION, folder, make_version(folder, VERSION, noun="item"))
    promote(store, nullcontext(), DATASET, VERSION, by="test", verify=unchecked)
    return store


def put(store: ObjectStore, **policy: object) -> str:
    body = json.dumps({"schema_version": 1, **policy}, ensure_ascii=False).encode()
    store.put(keys.policy(DATASET), body)
    return hashlib.sha256(body).hexdigest()


def test_a_policy_counts_from_the_next_reload_and_a_broken_one_leaves_the_last(
    store: ObjectStore, tmp_path: Path
) -> None:
    recommender = Recommender.load(store, DATASET, cache=tmp_path)
    before = recommender.recommend(USER, 3)
    assert before.policy_sha256 is None
    hidden = [item.item_id for item in before.items]
    digest = put(store, hidden_items=hidden)
    assert recommender.recommend(USER, 3) == before
    assert recommender.reload()
    after = recommender.recommend(USER, 3)
    assert after.policy_sha256 == digest
    assert not {item.item_id for item in after.items} & set(hidden)
    assert not recommender.reload()

    store.put(keys.policy(DATASET), b'{"schema_version": 1, "hiden_items": []}')
    with pytest.raises(ArtifactRefused, match=r"policy\.json: not a policy: hiden_items"):
        recommender.reload()
    assert recommender.recommend(USER, 3) == after
    with pytest.raises(ArtifactRefused):  # nothing good to go on with: nothing is shown
        Recommender.load(store, DATASET, cache=tmp_path)
    verify(store, DATASET, VERSION)  # a version stands for itself

    put(store)
    assert recommender.reload()
    assert recommender.recommend(USER, 3).items == before.items


def test_a_batch_keeps_to_one_policy_and_says_which(store: ObjectStore, tmp_path: Path) -> None:
    hidden = Recommender.load(store, DATASET, cache=tmp_path).recommend(USER, 3).items[0].item_id
    digest = put(store, hidden_items=[hidden])
    recommender = Recommender.load(store, DATASET, cache=tmp_path)
    parts = [put_part(store, recommender, 2, shard) for shard in (0, 1)]
    manifest = store.get_json(seal_parts(store, recommender, parts))
    assert manifest["policy_sha256"] == digest
    for part in manifest["parts"]:
        body = store.get(keys.batch(DATASET, VERSION, 10, "jsonl") + part["name"])
        for line in body.splitlines():
            assert hidden not in json.loads(line)["item_ids"]
    with pytest.raises(ArtifactRefused, match="policy changed"):
        seal_parts(store, recommender, [parts[0], replace(parts[1], policy_sha256=None)])


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, object]:
    assert main([*words, "--dataset", DATASET, "--json"]) == code
    out = capsys.readouterr()
    return json.loads(out.out) if code == 0 else {"error": out.err}


def test_the_command_checks_a_policy_before_it_takes_its_place(
    store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "policy", "show")["policy"] is None
    best = run(capsys, "recommend", "--user", USER, "-k", "2")["items"]
    file = tmp_path / "policy.json"
    file.write_text(
        json.dumps({"schema_version": 1, "hidden_items": [best[0]["item_id"], "no such"]})
    )
    checked = run(capsys, "policy", "check", str(file))
    assert (checked["set"], checked["shown"], checked["items"]) == (False, 299, 300)
    assert checked["unknown_items"] == ["no such"]
    assert run(capsys, "policy", "show")["policy"] is None
    done = run(capsys, "policy", "set", str(file))
    assert done["set"]
    assert run(capsys, "policy", "show")["sha256"] == done["sha256"]
    after = run(capsys, "recommend", "--user", USER, "-k", "2")
    assert after["policy_sha256"] == done["sha256"]
    assert after["items"][0]["item_id"] == best[1]["item_id"]
    titles = run(capsys, "search", *best[0]["title"].split())
    assert best[0]["item_id"] not in [item["item_id"] for item in titles["items"]]

    for bad, said in (
        ('{"schema_version": 1, "allowed_items": ["no such"]}', "none of the champion's items"),
        ('{"schema_version": 1, "boosts": {"x": 2}}', "boosts.x"),
        ("[]", "not a policy"),
    ):
        file.write_text(bad)
        code = 2 if "none" in said else 3
        assert said in run(capsys, "policy", "set", str(file), code=code)["error"]
    assert "cannot be read" in run(capsys, "policy", "set", "nowhere", code=3)["error"]
    assert run(capsys, "policy", "show")["sha256"] == done["sha256"]
    assert "FILE" in run(capsys, "policy", "set", code=2)["error"]


def test_filters_of_the_command_line_are_those_of_python(
    store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("recommend", "--user", USER, "-k", "20")
    two = run(capsys, *asked, "--category", "Drama", "--category", "Comedy")["items"]
    assert {item["categories"][0] for item in two} == {"Drama", "Comedy"}
    none = run(capsys, *asked, "--not-category", "Drama", "--not-category", "Comedy")["items"]
    assert {item["categories"][0] for item in none} == {"Sci-Fi"}
    wanted = [item["item_id"] for item in two[5:8]]
    (tmp_path / "ids").write_text("\n".join([*wanted, "no such"]) + "\n", encoding="utf-8")
    some = run(capsys, *asked, "--item-in", str(tmp_path / "ids"))["items"]
    assert [item["item_id"] for item in some] == wanted
    like = run(capsys, "similar", "--item", wanted[0], "--item-in", str(tmp_path / "ids"))
    assert {item["item_id"] for item in like["items"]} == set(wanted[1:])
    assert "movie_id" not in like
    assert "there is no category Drum" in run(capsys, *asked, "--category", "Drum", code=3)["error"]
