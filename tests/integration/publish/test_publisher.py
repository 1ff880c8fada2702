"""Versions come into being whole, once, and only as the manifest says."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
from tiny_version import DATASET, make_version, unchecked

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import ArtifactRefused, NotFound, PublishConflict
from recsys_tasks.publish.channels import promote
from recsys_tasks.publish.publisher import publish, verify_in_fresh_process
from recsys_tasks.publish.verify import verify
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services


def test_a_published_version_is_verified_by_a_fresh_process_and_answers_as_champion(
    bucket: StoreAccess, tmp_path: Path
) -> None:
    store = ObjectStore(bucket)
    manifest = make_version(tmp_path / "version")
    publish(store, DATASET, manifest.version, tmp_path / "version", manifest)
    verify_in_fresh_process(bucket, DATASET, manifest.version)
    promote(store, nullcontext(), DATASET, manifest.version, by="test", verify=unchecked)
    recommender = Recommender.load(store, DATASET, cache=tmp_path / "cache")
    assert recommender.version == manifest.version
    assert recommender.recommend(5 + 3 * 10).tier == "model"


def test_publishing_again_what_is_there_changes_nothing(
    bucket: StoreAccess, tmp_path: Path
) -> None:
    store = ObjectStore(bucket)
    manifest = make_version(tmp_path)
    publish(store, DATASET, manifest.version, tmp_path, manifest)
    before = store.list(DATASET)
    publish(store, DATASET, manifest.version, tmp_path, manifest)
    assert store.list(DATASET) == before


def test_another_content_under_a_published_name_is_a_conflict(
    bucket: StoreAccess, tmp_path: Path
) -> None:
    store = ObjectStore(bucket)
    first, other = make_version(tmp_path / "a"), make_version(tmp_path / "b", seed=8)
    publish(store, DATASET, first.version, tmp_path / "a", first)
    with pytest.raises(PublishConflict, match="published already"):
        publish(store, DATASET, other.version, tmp_path / "b", other)
    assert read_manifest(store, DATASET, first.version) == first


def test_a_file_changed_after_sealing_leaves_no_version(
    bucket: StoreAccess, tmp_path: Path
) -> None:
    store = ObjectStore(bucket)
    manifest = make_version(tmp_path)
    (tmp_path / "popular.json").write_bytes(b"[]\n")
    with pytest.raises(ArtifactRefused, match=r"popular\.json"):
        publish(store, DATASET, manifest.version, tmp_path, manifest)
    with pytest.raises(NotFound):
        read_manifest(store, DATASET, manifest.version)


def test_a_damaged_manifest_is_no_version_and_publishing_again_mends_it(
    bucket: StoreAccess, tmp_path: Path
) -> None:
    store = ObjectStore(bucket)
    manifest = make_version(tmp_path)
    publish(store, DATASET, manifest.version, tmp_path, manifest)
    damage(store, keys.manifest(DATASET, manifest.version))
    with pytest.raises(ArtifactRefused):
        read_manifest(store, DATASET, manifest.version)
    publish(store, DATASET, manifest.version, tmp_path, manifest)
    assert read_manifest(store, DATASET, manifest.version) == manifest


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_publishing_again_makes_a_version_whole_that_lost_a_file(
    bucket: StoreAccess, tmp_path: Path, how: str
) -> None:
    store = ObjectStore(bucket)
    manifest = make_version(tmp_path)
    publish(store, DATASET, manifest.version, tmp_path, manifest)
    key = keys.version(DATASET, manifest.version) + "seen.npz"
    damage(store, key) if how == "damaged" else store.delete(key)
    with pytest.raises(ArtifactRefused, match=r"seen\.npz"):
        verify(store, DATASET, manifest.version)
    publish(store, DATASET, manifest.version, tmp_path, manifest)
    verify(store, DATASET, manifest.version)


def test_of_publishers_of_one_version_at_once_one_at_most_is_left_and_it_is_whole_when_run_again(
    bucket: StoreAccess, tmp_path: Path
) -> None:
    """On a store that knows no conditions; the same content twice would be no conflict at all."""
    manifests = {seed: make_version(tmp_path / str(seed), seed=seed) for seed in (1, 2)}

    def attempt(seed: int) -> str:
        manifest = manifests[seed]
        try:
            publish(ObjectStore(bucket), DATASET, manifest.version, tmp_path / str(seed), manifest)
        except PublishConflict as conflict:
            return str(conflict)
        return "published"

    with ThreadPoolExecutor(2) as both:
        list(both.map(attempt, manifests))
    again = {seed: attempt(seed) for seed in manifests}
    won, lost = sorted(again.values())
    assert won == "published"
    assert "with other content" in lost
    winner = next(manifests[seed] for seed in again if again[seed] == "published")
    assert verify(ObjectStore(bucket), DATASET, winner.version).manifest_sha256 == winner.sha256()


def damage(store: ObjectStore, key: str) -> None:
    """Changes a byte and leaves the recorded sha256 as it was."""
    body, recorded = store.get(key), hashlib.sha256(store.get(key)).hexdigest()
    store._client.put_object(
        Bucket=store.bucket,
        Key=key,
        Body=body[:-9] + b"?" + body[-8:],
        Metadata={"sha256": recorded},
    )


def test_the_fresh_process_refuses_a_flipped_byte_and_names_the_file(
    bucket: StoreAccess, tmp_path: Path
) -> None:
    store = ObjectStore(bucket)
    manifest = make_version(tmp_path)
    publish(store, DATASET, manifest.version, tmp_path, manifest)
    key = keys.version(DATASET, manifest.version) + "items.ann"
    body = bytearray(store.get(key))
    body[len(body) // 2] ^= 1
    store.put(key, bytes(body))
    with pytest.raises(ArtifactRefused, match=r"items\.ann: sha256"):
        verify_in_fresh_process(bucket, DATASET, manifest.version)
