"""The pointer moves, goes back, and leaves a history that a crash cannot tear."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
from tiny_version import DATASET, make_version, put_shell

from recsys_tasks.connections import StoreAccess
from recsys_tasks.data.postgres import Database
from recsys_tasks.errors import ArtifactRefused, GateRejected, NotFound, SettingsError
from recsys_tasks.publish import keys
from recsys_tasks.publish.channels import (
    Pointer,
    history,
    lock_name,
    promote,
    read_pointer,
    rollback,
)
from recsys_tasks.publish.manifest import Manifest
from recsys_tasks.publish.object_store import ObjectStore
from recsys_tasks.publish.publisher import publish

pytestmark = pytest.mark.services

A, B, C = (f"2026112{day}T030000Z-0000000{day}" for day in (1, 2, 3))


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_version(tmp_path_factory.mktemp("version"), n_users=12, n_items=30)


@pytest.fixture
def store(bucket: StoreAccess, sealed: Manifest) -> ObjectStore:
    """Three versions, no champion."""
    store = ObjectStore(bucket)
    for version in (A, B, C):
        put_shell(store, sealed, version)
    return store


def move(store: ObjectStore, version: str) -> Pointer:
    return promote(store, nullcontext(), DATASET, version, by="test")


def back(store: ObjectStore) -> str:
    return rollback(store, nullcontext(), DATASET, by="test").version


def test_rollbacks_walk_back_through_the_predecessors(store: ObjectStore) -> None:
    for version in (A, B, C):
        move(store, version)
    assert [back(store), back(store)] == [B, A]
    with pytest.raises(NotFound, match="no predecessor"):
        back(store)
    assert [entry.version for entry in history(store, DATASET)] == [A, B, C, B, A]


def test_promoting_the_champion_again_moves_nothing(store: ObjectStore) -> None:
    first = move(store, A)
    assert move(store, A) == first
    assert len(history(store, DATASET)) == 1


def test_a_crash_between_pointer_and_history_is_mended_by_the_next_move(
    store: ObjectStore,
) -> None:
    move(store, A)
    move(store, B)
    store.delete(f"{keys.history(DATASET)}2.json")
    assert [entry.version for entry in history(store, DATASET)] == [A, B]
    move(store, C)
    assert [entry.version for entry in history(store, DATASET)] == [A, B, C]
    assert store.exists(f"{keys.history(DATASET)}2.json")


def test_a_rejected_version_needs_force_and_a_reason(store: ObjectStore, tmp_path: Path) -> None:
    rejected = make_version(tmp_path, "20261130T030000Z-0000000d", accepted=False)
    publish(store, DATASET, rejected.version, tmp_path, rejected)
    with pytest.raises(GateRejected, match="min_precision"):
        move(store, rejected.version)
    with pytest.raises(SettingsError, match="reason"):
        promote(store, nullcontext(), DATASET, rejected.version, "test", force=True)
    assert read_pointer(store, DATASET) is None
    pointer = promote(store, nullcontext(), DATASET, rejected.version, "test", "why", force=True)
    assert pointer.forced
    assert history(store, DATASET)[-1].reason == "why"


def test_force_on_an_accepted_version_is_not_noted_as_against_the_gate(
    store: ObjectStore,
) -> None:
    assert not promote(store, nullcontext(), DATASET, A, "test", "to be sure", force=True).forced


def test_a_version_that_is_not_there_does_not_become_champion(store: ObjectStore) -> None:
    move(store, A)
    with pytest.raises(NotFound):
        move(store, "20200101T000000Z-00000000")
    pointer = read_pointer(store, DATASET)
    assert pointer is not None
    assert pointer.version == A


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"null",
        b'{"version": "../../etc", "manifest_sha256": "'
        + b"0" * 64
        + b'", "promoted_by": "x", "previous": null, "move": 1, "moved_at": "x"}',
    ],
    ids=["empty", "no fields", "null", "hostile name"],
)
def test_a_pointer_that_is_none_is_refused(store: ObjectStore, document: bytes) -> None:
    store.put(keys.pointer(DATASET), document)
    with pytest.raises(ArtifactRefused, match=r"champion\.json"):
        read_pointer(store, DATASET)


@pytest.mark.parametrize("damage", [b"", b"{}", b"garbage"])
def test_a_damaged_pointer_is_mended_by_the_next_move_from_its_history(
    store: ObjectStore, damage: bytes
) -> None:
    move(store, A)
    move(store, B)
    store.put(keys.pointer(DATASET), damage)
    pointer = move(store, C)
    assert (pointer.previous, pointer.move) == (B, 3)
    assert [entry.version for entry in history(store, DATASET)] == [A, B, C]


def test_promotions_at_once_queue_on_the_advisory_lock_and_lose_no_move(
    bucket: StoreAccess, database_url: str, sealed: Manifest
) -> None:
    """On a store that knows no conditions, so that the lock holds alone."""
    versions = [f"2026112{day}T030000Z-0000000{day}" for day in range(1, 7)]
    for version in versions:
        put_shell(ObjectStore(bucket), sealed, version)

    def one(version: str) -> int:
        lock = Database(database_url).advisory_lock(lock_name(DATASET))
        return promote(ObjectStore(bucket), lock, DATASET, version, by=version).move

    with ThreadPoolExecutor(4) as several:
        moves = sorted(several.map(one, versions))
    assert moves == [1, 2, 3, 4, 5, 6]
    entries = history(ObjectStore(bucket), DATASET)
    assert {entry.version for entry in entries} == set(versions)
    assert [e.previous for e in entries] == [None, *(e.version for e in entries[:-1])]


def test_a_lock_is_held_while_the_pointer_moves(store: ObjectStore) -> None:
    held: list[str] = []

    class Lock:
        def __enter__(self) -> None:
            pointer = read_pointer(store, DATASET)
            held.append(f"in: {pointer and pointer.version}")

        def __exit__(self, *error: object) -> None:
            pointer = read_pointer(store, DATASET)
            held.append(f"out: {pointer and pointer.version}")

    promote(store, Lock(), DATASET, A, by="test")
    rollback_target = promote(store, Lock(), DATASET, B, by="test").previous
    assert held == ["in: None", f"out: {A}", f"in: {A}", f"out: {B}"]
    assert rollback_target == A
