"""A clean-up removes what nobody needs and nothing else."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from tiny_version import DATASET, make_version, put_shell, unchecked

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.versions import list_manifests
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import PermanentError
from recsys_tasks.publish.channels import promote
from recsys_tasks.publish.retention import Retention, gc
from recsys_tasks.publish.side_channels import point

pytestmark = pytest.mark.services

NAMES = [f"2026112{day}T030000Z-0000000{day}" for day in range(1, 6)]
LATER = datetime.now(UTC) + timedelta(days=100)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_version(tmp_path_factory.mktemp("version"), n_users=12, n_items=30)


@pytest.fixture
def store(bucket: StoreAccess, sealed: Manifest) -> ObjectStore:
    """Five versions; the second, then the third became champion."""
    store = ObjectStore(bucket)
    for version in NAMES:
        put_shell(store, sealed, version)
    for version in NAMES[1:3]:
        promote(store, nullcontext(), DATASET, version, by="test", verify=unchecked)
    return store


def clean(store: ObjectStore, keep: int = 0, days: int = 30, now: datetime = LATER) -> Retention:
    return gc(store, nullcontext(), DATASET, keep, timedelta(days=days), now=now)


def left(store: ObjectStore) -> list[str]:
    return sorted(manifest.version for manifest in list_manifests(store, DATASET))


def test_champion_and_predecessor_stay_whatever_their_age(store: ObjectStore) -> None:
    before = [f for f in store.list(keys.versions(DATASET)) if f.key.split("/")[2] in NAMES[1:3]]
    clean(store)
    assert left(store) == NAMES[1:3]
    assert list(store.list(keys.versions(DATASET))) == before


def test_what_a_canary_or_a_shadow_names_stays(store: ObjectStore) -> None:
    for channel, version in (("canary", NAMES[0]), ("shadow", NAMES[4])):
        point(store, nullcontext(), DATASET, channel, version, "test", verify=unchecked)
    clean(store)
    assert left(store) == [NAMES[0], *NAMES[1:3], NAMES[4]]


def test_the_newest_stay(store: ObjectStore) -> None:
    clean(store, keep=2)
    assert left(store) == NAMES[1:5]


def test_what_is_young_stays(store: ObjectStore) -> None:
    assert clean(store, now=datetime.now(UTC)).removed == ()
    assert left(store) == NAMES


def test_what_a_pointer_named_within_the_time_stays(store: ObjectStore) -> None:
    for version in NAMES[3:]:
        promote(store, nullcontext(), DATASET, version, by="test", verify=unchecked)
    clean(store, days=200, now=LATER)
    assert left(store) == NAMES
    kept = dict(clean(store, days=30).kept)
    assert left(store) == NAMES[3:]
    assert kept == {NAMES[4]: "champion", NAMES[3]: "predecessor of the champion"}


def test_remains_of_a_crashed_publisher_and_old_runs_go(store: ObjectStore) -> None:
    store.put(keys.version(DATASET, "20261101T030000Z-0000000f") + "seen.npz", b"half")
    store.put(keys.runs(DATASET, "20261101T030000Z-0000000f") + "split.npz", b"old")
    kinds = {removal.kind for removal in clean(store).removed}
    assert kinds == {"version", "remains", "run"}
    assert store.list(f"{DATASET}/runs/") == ()


def test_a_version_loses_its_manifest_first(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []
    monkeypatch.setattr(store, "delete", deleted.append)
    clean(store)
    firsts = {key.split("/")[2]: key for key in reversed(deleted)}
    assert all(key.endswith(keys.MANIFEST) for key in firsts.values())
    assert len(firsts) == 3


def test_a_dry_run_says_the_same_and_removes_nothing(store: ObjectStore) -> None:
    before = store.list("")
    dry = gc(store, nullcontext(), DATASET, 0, timedelta(days=30), dry_run=True, now=LATER)
    assert store.list("") == before
    assert [r.prefix for r in dry.removed] == [r.prefix for r in clean(store).removed]


def test_a_dataset_without_anything_is_clean(bucket: StoreAccess) -> None:
    assert clean(ObjectStore(bucket)).removed == ()


def test_an_old_batch_goes_with_its_version_and_stays_with_the_champion(store: ObjectStore) -> None:
    for version in (NAMES[0], NAMES[2]):
        store.put(keys.batch(DATASET, version, 10, "jsonl") + "part-00000-of-00001.jsonl", b"{}")
    clean(store)
    assert [found.key.split("/")[2] for found in store.list(keys.batches(DATASET))] == [NAMES[2]]


def test_what_any_channel_names_stays(store: ObjectStore) -> None:
    store.put(keys.pointer(DATASET, "canary"), store.get(f"{keys.history(DATASET)}1.json"))
    pointer = store.get_json(keys.pointer(DATASET, "canary")) | {"version": NAMES[0]}
    store.put_json(keys.pointer(DATASET, "canary"), pointer)
    kept = dict(clean(store).kept)
    assert kept[NAMES[0]] == "channel canary"
    assert left(store) == NAMES[:3]


def test_a_refusal_keeps_that_version_whole_and_the_rest_is_removed(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(keys.runs(DATASET, NAMES[0]) + "split.npz", b"old")
    real = store.delete

    def refuse(key: str) -> None:
        if NAMES[3] in key:
            raise PermanentError(f"{key}: the store refuses, 403 AccessDenied")
        real(key)

    monkeypatch.setattr(store, "delete", refuse)
    done = clean(store)
    assert left(store) == NAMES[1:4]
    assert store.exists(keys.version(DATASET, NAMES[3]) + "seen.npz")
    assert store.list(keys.all_runs(DATASET)) == ()
    assert [removal.prefix for removal, _ in done.refused] == [keys.version(DATASET, NAMES[3])]
    assert "1 of 4 removals were refused" in done.complaint()
    assert f"s3:DeleteObject on {DATASET}/versions/*" in done.complaint()
