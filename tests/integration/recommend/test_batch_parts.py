"""A batch in the bucket is complete when its manifest is there, and its parts are what the manifest says."""

import json
from dataclasses import replace

import pytest
from tiny_version import DATASET, make_version

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.reader import open_version
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.recommend.batch_parts import PartFacts, put_part, seal_parts
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    folder = tmp_path_factory.mktemp("version")
    manifest = make_version(folder)
    return Recommender(open_version(manifest, {name: folder / name for name in manifest.files}))


@pytest.fixture
def store(bucket: StoreAccess) -> ObjectStore:
    return ObjectStore(bucket)


@pytest.fixture
def parts(store: ObjectStore, recommender: Recommender) -> list[PartFacts]:
    return [put_part(store, recommender, 3, shard, k=4) for shard in (2, 0, 1)]


def test_the_manifest_names_parts_that_together_hold_every_user_once(
    store: ObjectStore, recommender: Recommender, parts: list[PartFacts]
) -> None:
    key = seal_parts(store, recommender, parts, k=4)
    manifest, home = store.get_json(key), key.removesuffix("manifest.json")
    assert home == f"{DATASET}/batch/{recommender.version}/k4-jsonl/"
    bodies = [store.get(home + part["name"], part["sha256"]) for part in manifest["parts"]]
    assert [len(body) for body in bodies] == [part["bytes"] for part in manifest["parts"]]
    users = [json.loads(line)["user_id"] for body in bodies for line in body.splitlines()]
    assert users == recommender.artifacts.user_ids.tolist()
    assert manifest["users"] == len(users)


def test_a_shard_written_again_is_the_same_part(
    store: ObjectStore, recommender: Recommender, parts: list[PartFacts]
) -> None:
    assert put_part(store, recommender, 3, 2, k=4) == parts[0]


def test_a_batch_with_a_shard_missing_twice_there_or_short_is_not_sealed(
    store: ObjectStore, recommender: Recommender, parts: list[PartFacts]
) -> None:
    short = [replace(parts[0], users=1), *parts[1:]]
    for wrong in ([], parts[1:], [*parts, parts[0]], short):
        with pytest.raises(ArtifactRefused, match=r"not each shard once|parts hold"):
            seal_parts(store, recommender, wrong, k=4)
    assert not [f for f in store.list(f"{DATASET}/batch/") if f.key.endswith("manifest.json")]
