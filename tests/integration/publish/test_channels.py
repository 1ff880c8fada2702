"""The pointer moves, goes back, and leaves a history that a crash cannot tear."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from tiny_version import DATASET, make_version, put_shell, unchecked

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import Pointer, read_pointer
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import (
    ArtifactRefused,
    DatabaseUnavailable,
    GateRejected,
    NotFound,
    PublishConflict,
    SettingsError,
    StoreUnavailable,
)
from recsys_tasks.publish.channels import promote, promote_run, rollback
from recsys_tasks.publish.history import history
from recsys_tasks.publish.pointer_move import lock_name
from recsys_tasks.publish.publisher import publish, refusals

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


def move(store: ObjectStore, version: str, **how: Any) -> Pointer:
    return promote(store, nullcontext(), DATASET, version, "test", verify=unchecked, **how)


def move_run(store: ObjectStore, version: str) -> Pointer:
    return promote_run(store, nullcontext(), DATASET, version, "run", verify=unchecked)


def back(store: ObjectStore, undo: str, **how: Any) -> str:
    return rollback(store, nullcontext(), DATASET, undo, "test", verify=unchecked, **how).version


def champion(store: ObjectStore) -> str | None:
    pointer = read_pointer(store, DATASET)
    return pointer and pointer.version


def test_rollbacks_walk_back_through_the_predecessors(store: ObjectStore) -> None:
    for version in (A, B, C):
        move(store, version)
    assert [back(store, C), back(store, B)] == [B, A]
    with pytest.raises(NotFound, match="no predecessor"):
        back(store, A)
    assert [entry.version for entry in history(store, DATASET)] == [A, B, C, B, A]


def test_a_rollback_done_twice_goes_back_once(store: ObjectStore) -> None:
    for version in (A, B, C):
        move(store, version)
    assert [back(store, C), back(store, C), back(store, C)] == [B, B, B]
    assert len(history(store, DATASET)) == 4


def test_a_rollback_of_what_is_champion_no_more_is_refused(store: ObjectStore) -> None:
    for version in (A, B, C):
        move(store, version)
    with pytest.raises(PublishConflict, match=f"{C}, not {B}"):
        back(store, B)
    assert champion(store) == C


def test_a_rollback_whose_answer_was_lost_goes_back_once_when_repeated(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store takes the pointer and then stays away, so that the history is not written."""
    for version in (A, B, C):
        move(store, version)
    real = store.put

    def away_after_the_pointer(key: str, data: bytes, **condition: Any) -> str:
        if "/history/" in key:
            raise StoreUnavailable("away")
        return real(key, data, **condition)

    monkeypatch.setattr(store, "put", away_after_the_pointer)
    with pytest.raises(StoreUnavailable):
        back(store, C)
    monkeypatch.undo()
    assert champion(store) == B
    assert back(store, C) == B
    assert [entry.version for entry in history(store, DATASET)] == [A, B, C, B]


def test_a_move_decided_on_an_older_look_is_refused(store: ObjectStore) -> None:
    seen = [move(store, version).move for version in (A, B)][-1]
    move(store, C)
    with pytest.raises(PublishConflict, match=C):
        back(store, C, at_move=seen)
    with pytest.raises(PublishConflict, match=C):
        move(store, B, at_move=seen, older=True)
    assert champion(store) == C


def test_a_run_replaces_only_the_champion_that_it_was_compared_with(
    store: ObjectStore, sealed: Manifest
) -> None:
    put_shell(store, sealed, B, rival=A)
    put_shell(store, sealed, C, rival=A)
    move_run(store, A)
    move_run(store, B)
    with pytest.raises(PublishConflict, match=f"{C} was compared with {A}.*{B}"):
        move_run(store, C)
    assert champion(store) == B


def test_a_run_that_met_no_champion_does_not_replace_one(store: ObjectStore) -> None:
    move_run(store, A)
    with pytest.raises(PublishConflict, match=f"{B} was compared with no champion.*{A}"):
        move_run(store, B)
    assert champion(store) == A


def test_a_run_that_promotes_again_after_a_failure_finds_it_done(
    store: ObjectStore, sealed: Manifest
) -> None:
    put_shell(store, sealed, B, rival=A)
    move_run(store, A)
    assert move_run(store, B) == move_run(store, B)
    assert len(history(store, DATASET)) == 2


def test_a_cleared_run_does_not_undo_a_persons_rollback(
    store: ObjectStore, sealed: Manifest
) -> None:
    put_shell(store, sealed, B, rival=A)
    move_run(store, A)
    move_run(store, B)
    back(store, B)
    with pytest.raises(PublishConflict, match=f"{B} was champion before"):
        move_run(store, B)
    assert champion(store) == A


@pytest.mark.parametrize("rival", [B, None])
def test_an_older_run_than_the_champions_needs_a_persons_word(
    store: ObjectStore, sealed: Manifest, rival: str | None
) -> None:
    put_shell(store, sealed, A, rival=rival)
    move(store, B)
    with pytest.raises(PublishConflict, match=f"{A}.*{B}.*--older"):
        move_run(store, A)
    with pytest.raises(PublishConflict, match=f"{A} is older than the champion, {B}"):
        move(store, A)
    assert champion(store) == B
    assert move(store, A, older=True).version == A


def test_a_damaged_pointer_of_the_version_that_is_promoted_keeps_its_predecessor(
    store: ObjectStore,
) -> None:
    move(store, A)
    move(store, B)
    store.put(keys.pointer(DATASET), b"garbage")
    assert move(store, B).previous == A


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_no_move_leads_to_a_version_with_a_damaged_file(
    bucket: StoreAccess, tmp_path: Path, damage: str
) -> None:
    """By a person's promotion, by a run's, and by a rollback."""
    store, lock = ObjectStore(bucket), nullcontext()
    for version in (A, B):
        folder = tmp_path / version
        publish(store, DATASET, version, folder, make_version(folder, version, n_users=12))
    promote(store, lock, DATASET, A, "test")
    promote(store, lock, DATASET, B, "test")
    key = keys.version(DATASET, A) + "popular.json"
    store.delete(key) if damage == "missing" else store.put(key, b"[]")
    with pytest.raises(ArtifactRefused, match=r"popular\.json"):
        rollback(store, lock, DATASET, B, "test")
    with pytest.raises(ArtifactRefused, match=r"popular\.json"):
        promote(store, lock, DATASET, A, "test", older=True)
    store.delete(keys.pointer(DATASET))
    with pytest.raises(ArtifactRefused, match=r"popular\.json"):
        promote_run(store, lock, DATASET, A, "run")
    assert champion(store) is None
    assert "popular.json" in refusals(store, DATASET)[A]
    store.upload_file(tmp_path / A / "popular.json", key)
    assert promote_run(store, lock, DATASET, A, "run").version == A
    assert refusals(store, DATASET) == {}


def test_what_follows_fails_before_the_pointer_moves(store: ObjectStore) -> None:
    @contextmanager
    def broken(_: Manifest) -> Iterator[None]:
        raise DatabaseUnavailable("away")
        yield

    move(store, A)
    with pytest.raises(DatabaseUnavailable):
        move(store, B, follow=broken)
    assert champion(store) == A


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
        move(store, rejected.version, force=True)
    assert read_pointer(store, DATASET) is None
    pointer = move(store, rejected.version, reason="why", force=True)
    assert pointer.forced
    assert history(store, DATASET)[-1].reason == "why"


def test_force_on_an_accepted_version_is_not_noted_as_against_the_gate(
    store: ObjectStore,
) -> None:
    assert not move(store, A, reason="to be sure", force=True).forced


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
        store = ObjectStore(bucket)
        return promote(store, lock, DATASET, version, version, older=True, verify=unchecked).move

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

    promote(store, Lock(), DATASET, A, by="test", verify=unchecked)
    rollback_target = promote(store, Lock(), DATASET, B, by="test", verify=unchecked).previous
    assert held == ["in: None", f"out: {A}", f"in: {A}", f"out: {B}"]
    assert rollback_target == A
