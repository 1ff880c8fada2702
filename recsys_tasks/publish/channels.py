"""The pointer that consumers follow, its moves, and their history.

A pointer moves under a lock that the caller brings (a Postgres advisory lock) and, where the store
honours it, on the condition that nobody moved it since it was read. Entry ``n`` of the history is
the pointer as it was at its ``n``-th move. It is written after the move, and every later move first
mends the entry of the pointer it finds, so a crash between the two loses nothing.
"""

import logging
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, ValidationError

from recsys_tasks.errors import (
    ArtifactRefused,
    GateRejected,
    NotFound,
    PublishConflict,
    SettingsError,
)
from recsys_tasks.publish import canonical_json, keys
from recsys_tasks.publish.manifest import Closed, Manifest, Sha256, VersionName
from recsys_tasks.publish.object_store import ObjectStore
from recsys_tasks.publish.publisher import read_manifest

log = logging.getLogger(__name__)
Lock = AbstractContextManager[object]


def lock_name(dataset: str) -> str:
    """Name of the advisory lock that everyone takes who moves this dataset's pointer."""
    return f"promote:{dataset}"


Moment = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
"""UTC, ISO 8601, to the second."""


class Pointer(Closed):
    """What a channel's file holds."""

    version: VersionName
    manifest_sha256: Sha256
    promoted_by: str
    previous: VersionName | None
    """The version to go back to."""

    move: int = Field(ge=1)
    """1 for the first promotion, one more each time the pointer moves."""

    moved_at: Moment

    reason: str = ""
    forced: bool = False
    """Promoted against the gate's verdict."""

    @classmethod
    def from_bytes(cls, document: bytes, name: str) -> Self:
        """The pointer that a document holds.

        Raises:
            ArtifactRefused: unknown or missing fields, or not acceptable JSON.
        """
        canonical_json.from_bytes(document, name)
        try:
            return cls.model_validate_json(document)
        except ValidationError as error:
            raise ArtifactRefused(name, f"not a pointer: {error.errors()[0]['msg']}") from None


@dataclass(frozen=True)
class _Place:
    """A pointer as it was found, and the condition on which it may be moved from there."""

    pointer: Pointer | None
    condition: dict[str, Any]


def read_pointer(store: ObjectStore, dataset: str, channel: str = "champion") -> Pointer | None:
    """Where a channel points; nothing before the first promotion."""
    key = keys.pointer(dataset, channel)
    try:
        return Pointer.from_bytes(store.get(key), key)
    except NotFound:
        return None


def promote(
    store: ObjectStore,
    lock: Lock,
    dataset: str,
    version: str,
    by: str,
    reason: str = "",
    force: bool = False,
) -> Pointer:
    """Points the champion at a version. Asking for what is already so changes nothing.

    Args:
        store: the bucket.
        lock: held while the pointer moves; shared by all who promote in this dataset.
        dataset: prefix in the bucket.
        version: a published version.
        by: who or what promotes, as the pointer names it.
        reason: why, in words; needed with ``force``.
        force: promote although the gate rejected it.

    Raises:
        NotFound: there is no such version.
        GateRejected: the gate rejected it, and ``force`` is off.
        SettingsError: ``force`` without a reason.
        PublishConflict: someone else moved the pointer in between.
    """
    if force and not reason.strip():
        raise SettingsError("forcing a promotion needs a reason, which the pointer will carry")
    with lock:
        manifest = read_manifest(store, dataset, version)
        if not manifest.gate.accepted and not force:
            raise GateRejected(_failed(manifest))
        place = _find(store, dataset)
        now = place.pointer.version if place.pointer else None
        forced = force and not manifest.gate.accepted
        return _move(store, dataset, place, manifest, by, reason, forced, previous=now)


def rollback(store: ObjectStore, lock: Lock, dataset: str, by: str, reason: str = "") -> Pointer:
    """Points the champion back at its predecessor; done twice, at the predecessor's predecessor.

    Raises:
        NotFound: there is nothing to go back to, or it has been removed.
        PublishConflict: someone else moved the pointer in between.
    """
    with lock:
        place = _find(store, dataset)
        if place.pointer is None or place.pointer.previous is None:
            raise NotFound(f"the champion of {dataset} has no predecessor")
        target = place.pointer.previous
        before = [entry for entry in history(store, dataset) if entry.version == target]
        manifest = read_manifest(
            store, dataset, target, before[-1].manifest_sha256 if before else None
        )
        previous = before[-1].previous if before else None
        forced = not manifest.gate.accepted
        reason = reason or f"rollback from {place.pointer.version}"
        return _move(store, dataset, place, manifest, by, reason, forced, previous)


def history(store: ObjectStore, dataset: str) -> tuple[Pointer, ...]:
    """Every move of the champion, first to last."""
    entries = {entry.move: entry for entry in _entries(store, dataset)}
    if (now := read_pointer(store, dataset)) is not None:
        entries[now.move] = now
    return tuple(entries[move] for move in sorted(entries))


def _entries(store: ObjectStore, dataset: str) -> list[Pointer]:
    found = store.list(keys.history(dataset))
    return [Pointer.from_bytes(store.get(entry.key), entry.key) for entry in found]


def _find(store: ObjectStore, dataset: str) -> _Place:
    """The champion; a damaged pointer is taken from its history, and may be overwritten."""
    key = keys.pointer(dataset)
    try:
        document, etag = store.get_tagged(key)
        return _Place(Pointer.from_bytes(document, key), {"if_match": etag})
    except NotFound:
        return _Place(None, {"if_none_match": True})
    except ArtifactRefused as error:
        log.warning("%s; going by the history", error)
        last = max(_entries(store, dataset), key=lambda entry: entry.move, default=None)
        return _Place(last, {})


def _move(
    store: ObjectStore,
    dataset: str,
    place: _Place,
    manifest: Manifest,
    by: str,
    reason: str,
    forced: bool,
    previous: str | None,
) -> Pointer:
    """Writes the pointer and its entry in the history; mends the entry of the last move first."""
    last = place.pointer
    if last is not None:
        _record(store, dataset, last)
        same = (last.version, last.manifest_sha256) == (manifest.version, manifest.sha256())
        if same and place.condition:
            log.info("%s is the champion of %s already", last.version, dataset)
            return last
    pointer = Pointer(
        version=manifest.version,
        manifest_sha256=manifest.sha256(),
        promoted_by=by,
        previous=previous,
        move=last.move + 1 if last else 1,
        moved_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        reason=reason,
        forced=forced,
    )
    _write(store, dataset, pointer, place.condition)
    _record(store, dataset, pointer)
    log.info("%s: champion %s (before: %s)", dataset, pointer.version, last and last.version)
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


def _record(store: ObjectStore, dataset: str, pointer: Pointer) -> None:
    """Entry ``n`` holds the ``n``-th pointer; written again only when it is missing or differs."""
    key = f"{keys.history(dataset)}{pointer.move}.json"
    document = canonical_json.to_bytes(pointer.model_dump(mode="json"))
    with suppress(NotFound, ArtifactRefused):  # missing or damaged: written again
        if store.get(key) == document:
            return
    store.put(key, document)


def _failed(manifest: Manifest) -> tuple[str, ...]:
    failed = [rule for rule in manifest.gate.rules if not rule.passed]
    return tuple(
        rule.reason or f"{rule.name} is {rule.value}, bound {rule.bound}" for rule in failed
    )
