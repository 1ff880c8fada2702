"""Where the store honours conditions (moto does), the second publisher loses and is told why.

The lock is left out on purpose: what holds here holds without it.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from tiny_version import DATASET, make_version, unchecked

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import PublishConflict
from recsys_tasks.publish import pointer_move
from recsys_tasks.publish.channels import promote
from recsys_tasks.publish.history import history
from recsys_tasks.publish.publisher import publish

FIRST, SECOND = "20261124T030000Z-00000001", "20261124T030000Z-00000002"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = ThreadedMotoServer("127.0.0.1", port=0)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def store(server: str, request: pytest.FixtureRequest) -> ObjectStore:
    name = f"b-{abs(hash(request.node.name)) % 10**9}"
    store = ObjectStore(StoreAccess(server, name, "testing", "testing"))
    store.ensure_bucket()
    return store


def test_an_object_made_by_someone_else_is_a_conflict_and_an_equal_one_is_not(
    store: ObjectStore,
) -> None:
    store.put("key", b"mine", if_none_match=True)
    store.put("key", b"mine", if_none_match=True)
    with pytest.raises(PublishConflict, match="key: someone else"):
        store.put("key", b"theirs", if_none_match=True)
    assert store.get("key") == b"mine"


def test_an_object_changed_since_it_was_read_is_a_conflict(store: ObjectStore) -> None:
    store.put("key", b"one")
    _, etag = store.get_tagged("key")
    store.put("key", b"two", if_match=etag)
    with pytest.raises(PublishConflict):
        store.put("key", b"three", if_match=etag)
    assert store.get("key") == b"two"


def meanwhile(monkeypatch: pytest.MonkeyPatch, name: str, module: Any, action: Any) -> None:
    """Has someone else act between our last look and our write."""
    ours = getattr(module, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(module, name, ours)
        action()
        return ours(*args, **kwargs)

    monkeypatch.setattr(module, name, wrapped)


def test_of_two_publishers_of_one_version_one_wins_and_the_other_says_why(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = make_version(tmp_path / "ours", FIRST, seed=1)
    theirs = make_version(tmp_path / "theirs", FIRST, seed=2)
    put = store.put

    def put_after_theirs(key: str, data: bytes, **conditions: Any) -> str:
        if key.endswith(keys.MANIFEST):
            put(key, theirs.to_bytes())
        return put(key, data, **conditions)

    monkeypatch.setattr(store, "put", put_after_theirs)
    with pytest.raises(PublishConflict, match=r"manifest\.json: someone else"):
        publish(store, DATASET, FIRST, tmp_path / "ours", ours)
    assert read_manifest(store, DATASET, FIRST) == theirs


def test_a_pointer_moved_in_between_is_a_conflict_that_names_the_other(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, seed in ((FIRST, 1), (SECOND, 2)):
        manifest = make_version(tmp_path / version, version, seed)
        publish(store, DATASET, version, tmp_path / version, manifest)
    meanwhile(
        monkeypatch,
        "_write",
        pointer_move,
        lambda: promote(store, nullcontext(), DATASET, SECOND, by="bob", verify=unchecked),
    )
    with pytest.raises(PublishConflict, match=f"moved in between, to {SECOND} by bob"):
        promote(store, nullcontext(), DATASET, FIRST, by="ann", verify=unchecked)
    pointer = read_pointer(store, DATASET)
    assert pointer is not None
    assert (pointer.version, pointer.move) == (SECOND, 1)
    assert [move.promoted_by for move in history(store, DATASET)] == ["bob"]
