"""Moves the champion's pointer, whatever the reason: under a lock, on a condition, with its history.

The lock is the caller's (a Postgres advisory lock); the condition holds where the store honours it: nobody moved
the pointer since it was read. The history's entry is written after the move, and every later move first
mends the entry of the pointer that it finds, so that a crash between the two loses nothing.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recsys_tasks.artifacts import canonical_json, keys
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import Pointer, read_pointer
from recsys_tasks.errors import ArtifactRefused, NotFound, PublishConflict
from recsys_tasks.publish.history import entries, record
from recsys_tasks.publish.outbox import open_outbox

log = logging.getLogger(__name__)
Lock = AbstractContextManager[object]

Verify = Callable[[ObjectStore, str, str], object]
"""Called with store, dataset and version before the lock is taken; raises ``ArtifactRefused``."""

Follow = Callable[[Manifest], AbstractContextManager[object]]
"""What changes together with the pointer: entered before it moves, left when it has moved.

What can fail belongs before the block; an error in the block undoes it. Also entered when the
pointer is already there, so that a repeat finishes what a crash left undone.
"""


def lock_name(dataset: str) -> str:
    """Name of the advisory lock that everyone takes who moves this dataset's pointer."""
    return f"promote:{dataset}"


@dataclass(frozen=True)
class Place:
    """A pointer as it was found, and the condition on which it may be moved from there."""

    pointer: Pointer | None
    condition: dict[str, Any]


@dataclass(frozen=True)
class Move:
    """Where the pointer is to go, and what it will say beside that."""

    manifest: Manifest
    previous: str | None
    reason: str
    forced: bool


Choose = Callable[[Pointer | None], Move]
"""The move that is wanted, given the pointer as it is; raises what stands against it."""


def _find(store: ObjectStore, dataset: str) -> Place:
    """The champion; a damaged pointer is taken from its history, and may be overwritten."""
    key = keys.pointer(dataset)
    try:
        document, etag = store.get_tagged(key)
        return Place(Pointer.from_bytes(document, key), {"if_match": etag})
    except NotFound:
        return Place(None, {"if_none_match": True})
    except ArtifactRefused as error:
        log.warning("%s; going by the history", error)
        last = max(entries(store, dataset), key=lambda entry: entry.move, default=None)
        return Place(last, {})


def carry_out(
    store: ObjectStore,
    lock: Lock,
    dataset: str,
    by: str,
    choose: Choose,
    verify: Verify,
    follow: Follow,
) -> Pointer:
    """Refuses early, verifies while others may work, then chooses once more under the lock and moves."""
    planned = choose(_find(store, dataset).pointer).manifest
    verify(store, dataset, planned.version)
    with lock:
        place = _find(store, dataset)
        move = choose(place.pointer)
        if move.manifest != planned:
            raise PublishConflict(f"the champion of {dataset} moved in between: look again")
        open_outbox(store, dataset, place.pointer)
        with follow(move.manifest):
            return _move(store, dataset, place, move, by)


def _move(store: ObjectStore, dataset: str, place: Place, move: Move, by: str) -> Pointer:
    """Writes the pointer and its entry in the history; mends the entry of the last move first."""
    last, manifest = place.pointer, move.manifest
    if last is not None:
        record(store, dataset, last)
        same = (last.version, last.manifest_sha256) == (manifest.version, manifest.sha256())
        if same and place.condition:
            log.info("%s is the champion of %s already", last.version, dataset)
            return last
    pointer = Pointer(
        version=manifest.version,
        manifest_sha256=manifest.sha256(),
        promoted_by=by,
        previous=move.previous,
        move=last.move + 1 if last else 1,
        moved_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        reason=move.reason,
        forced=move.forced,
    )
    _write(store, dataset, pointer, place.condition)
    record(store, dataset, pointer)
    log.info("%s: champion %s, after %s", dataset, pointer.version, last and last.version)
    return pointer


def _write(store: ObjectStore, dataset: str, pointer: Pointer, condition: dict[str, Any]) -> None:
    key, document = keys.pointer(dataset), canonical_json.to_bytes(pointer.model_dump(mode="json"))
    try:
        store.put(key, document, **condition)
    except PublishConflict:
        now = read_pointer(store, dataset)
        raise PublishConflict(
            f"{key}: moved in between, to {now.version} by {now.promoted_by}"
            if now
            else f"{key}: removed in between"
        ) from None
