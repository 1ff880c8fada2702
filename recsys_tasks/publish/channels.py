"""The pointer that consumers follow, its moves, and their history.

A pointer moves under a lock that the caller brings (a Postgres advisory lock) and, where the store
honours it, on the condition that nobody moved it since it was read. Every move verifies the files of
the version it leads to. Entry ``n`` of the history is the pointer as it was at its ``n``-th move. It
is written after the move, and every later move first mends the entry of the pointer it finds, so a
crash between the two loses nothing.
"""

import logging
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recsys_tasks.artifacts import canonical_json, keys
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import Pointer, read_pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.errors import (
    ArtifactRefused,
    GateRejected,
    NotFound,
    PublishConflict,
    SettingsError,
)
from recsys_tasks.publish.publisher import check_files, verify_version

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
class _Place:
    """A pointer as it was found, and the condition on which it may be moved from there."""

    pointer: Pointer | None
    condition: dict[str, Any]


@dataclass(frozen=True)
class _Move:
    """Where the pointer is to go, and what it will say beside that."""

    manifest: Manifest
    previous: str | None
    reason: str
    forced: bool


Choose = Callable[[Pointer | None], _Move]
"""The move that is wanted, given the pointer as it is; raises what stands against it."""


def promote(
    store: ObjectStore,
    lock: Lock,
    dataset: str,
    version: str,
    by: str,
    reason: str = "",
    force: bool = False,
    older: bool = False,
    at_move: int | None = None,
    verify: Verify = verify_version,
    follow: Follow = nullcontext,
) -> Pointer:
    """Points the champion at a version, on a person's word. What is already so stays as it is.

    Args:
        store: the bucket.
        lock: held while the pointer moves; shared by all who promote in this dataset.
        dataset: prefix in the bucket.
        version: a published version.
        by: who promotes, as the pointer names it.
        reason: why, in words; needed with ``force``.
        force: promote although the gate rejected it.
        older: promote although the champion is newer.
        at_move: the move of the pointer that the person saw, 0 for none; None: any.
        verify: checks the version's files.
        follow: what changes with the pointer.

    Raises:
        NotFound: there is no such version.
        GateRejected: the gate rejected it, and ``force`` is off.
        ArtifactRefused: a file of it is missing or altered, or it answers otherwise than it did.
        SettingsError: ``force`` without a reason.
        PublishConflict: the champion is newer and ``older`` is off, or the pointer moved in between.
    """
    if force and not reason.strip():
        raise SettingsError("forcing a promotion needs a reason, which the pointer will carry")

    def choose(now: Pointer | None) -> _Move:
        _refuse_another_move(dataset, now, at_move)
        manifest = _judged(store, dataset, version, force)
        if now and is_older(version, now.version) and not older:
            raise PublishConflict(
                f"{version} is older than the champion, {now.version}, which stays; "
                f"to go back all the same: recsys promote {version} --older"
            )
        forced = force and not manifest.gate.accepted
        return _Move(manifest, _before(now, version), reason, forced)

    return _carry_out(store, lock, dataset, by, choose, verify, follow)


def promote_run(
    store: ObjectStore,
    lock: Lock,
    dataset: str,
    version: str,
    by: str,
    verify: Verify = check_files,
    follow: Follow = nullcontext,
) -> Pointer:
    """Points the champion at a run's own version, if nothing happened that the run does not know of.

    The champion must be the version that the run was compared with, or the run's own, as after a
    retry. A version that was champion and is no more does not come back in this way.

    Args:
        store, lock, dataset, version, by, verify, follow: as for ``promote``.

    Raises:
        PublishConflict: the champion is another one, or newer; the message names both.
        NotFound, GateRejected, ArtifactRefused: as for ``promote``.
    """

    def choose(now: Pointer | None) -> _Move:
        manifest = _judged(store, dataset, version, force=False)
        if now and now.version != version:
            _refuse_unknown_champion(store, now, manifest)
        return _Move(manifest, _before(now, version), reason="", forced=False)

    return _carry_out(store, lock, dataset, by, choose, verify, follow)


def rollback(
    store: ObjectStore,
    lock: Lock,
    dataset: str,
    undo: str,
    by: str,
    reason: str = "",
    at_move: int | None = None,
    verify: Verify = verify_version,
    follow: Follow = nullcontext,
) -> Pointer:
    """Points the champion back from a version to its predecessor. A repeat changes nothing.

    Args:
        undo: the version to go back from.
        store, lock, dataset, by, reason, at_move, verify, follow: as for ``promote``.

    Raises:
        NotFound: there is nothing to go back to, or it has been removed.
        ArtifactRefused: a file of the predecessor is missing or altered.
        PublishConflict: another version is champion, or the pointer moved in between.
    """

    def choose(now: Pointer | None) -> _Move:
        _refuse_another_move(dataset, now, at_move)
        if now and gone_back_from(store, dataset, now) == undo:
            manifest = read_manifest(store, dataset, now.version, now.manifest_sha256)
            return _Move(manifest, now.previous, now.reason, now.forced)
        if now and now.version != undo:
            raise PublishConflict(
                f"the champion of {dataset} is {now.version}, not {undo}: it stays"
            )
        if now is None or now.previous is None:
            raise NotFound(f"the champion of {dataset} has no predecessor")
        return _back(store, dataset, now, reason)

    return _carry_out(store, lock, dataset, by, choose, verify, follow)


def gone_back_from(store: ObjectStore, dataset: str, pointer: Pointer) -> str | None:
    """The version that a pointer's last move left to return to its predecessor; None: it went on."""
    before = _entry(store, dataset, pointer.move - 1)
    return before.version if before and before.previous == pointer.version else None


def is_older(version: str, other: str) -> bool:
    """Whether a version's run is dated before another's: names begin with their run's UTC stamp."""
    return version.partition("-")[0] < other.partition("-")[0]


def announcement(manifest: Manifest) -> dict[str, Any]:
    """What consumers are told of a new champion: its names, its manifest, two metrics as served."""
    served: Any = manifest.metrics.get("test_served") or {}
    return {
        "dataset": manifest.dataset,
        "version": manifest.version,
        "manifest": keys.manifest(manifest.dataset, manifest.version),
        "sha256": manifest.sha256(),
        "metrics": {name: served.get(name) for name in ("precision_at_5", "ndcg_at_10")},
    }


def history(store: ObjectStore, dataset: str) -> tuple[Pointer, ...]:
    """Every move of the champion, first to last."""
    entries = {entry.move: entry for entry in _entries(store, dataset)}
    if (now := read_pointer(store, dataset)) is not None:
        entries[now.move] = now
    return tuple(entries[move] for move in sorted(entries))


def _entries(store: ObjectStore, dataset: str) -> list[Pointer]:
    found = store.list(keys.history(dataset))
    return [Pointer.from_bytes(store.get(entry.key), entry.key) for entry in found]


def _entry(store: ObjectStore, dataset: str, move: int) -> Pointer | None:
    """One move of the history; None: it is missing or damaged."""
    key = f"{keys.history(dataset)}{move}.json"
    try:
        return Pointer.from_bytes(store.get(key), key)
    except (NotFound, ArtifactRefused):
        return None


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


def _carry_out(
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
        with follow(move.manifest):
            return _move(store, dataset, place, move, by)


def _move(store: ObjectStore, dataset: str, place: _Place, move: _Move, by: str) -> Pointer:
    """Writes the pointer and its entry in the history; mends the entry of the last move first."""
    last, manifest = place.pointer, move.manifest
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
        previous=move.previous,
        move=last.move + 1 if last else 1,
        moved_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        reason=move.reason,
        forced=move.forced,
    )
    _write(store, dataset, pointer, place.condition)
    _record(store, dataset, pointer)
    log.info("%s: champion %s, after %s", dataset, pointer.version, last and last.version)
    return pointer


def _judged(store: ObjectStore, dataset: str, version: str, force: bool) -> Manifest:
    """The version's manifest, accepted by the gate or forced."""
    manifest = read_manifest(store, dataset, version)
    if not manifest.gate.accepted and not force:
        raise GateRejected(_failed(manifest))
    return manifest


def _back(store: ObjectStore, dataset: str, now: Pointer, reason: str) -> _Move:
    """The move to a pointer's predecessor, which takes over the predecessor's own predecessor."""
    target = str(now.previous)
    before = [entry for entry in history(store, dataset) if entry.version == target]
    digest = before[-1].manifest_sha256 if before else None
    manifest = read_manifest(store, dataset, target, digest)
    return _Move(
        manifest,
        before[-1].previous if before else None,
        reason or f"rollback from {now.version}",
        forced=not manifest.gate.accepted,
    )


def _before(now: Pointer | None, version: str) -> str | None:
    """The predecessor of a version that is promoted now; a champion promoted again keeps its own."""
    if now is None:
        return None
    return now.previous if now.version == version else now.version


def _refuse_another_move(dataset: str, now: Pointer | None, at_move: int | None) -> None:
    if at_move is not None and at_move != (now.move if now else 0):
        found = f"{now.version}, moved there by {now.promoted_by}" if now else "gone"
        raise PublishConflict(f"the champion of {dataset} is {found} since you looked: look again")


def _refuse_unknown_champion(store: ObjectStore, now: Pointer, manifest: Manifest) -> None:
    """Refuses a run's version that was compared with another champion, is older, or was replaced."""
    version, champion = manifest.version, now.version
    compared: Any = manifest.metrics.get("champion") or {}
    rival = compared.get("version")
    if champion != rival:
        why = (
            f"{version} was compared with {rival or 'no champion'}, and the champion is {champion}"
        )
    elif is_older(version, champion):
        why = f"{version} is older than the champion, {champion}"
    elif _was_champion(store, manifest.dataset, now, version):
        why = f"{version} was champion before and was replaced; the champion is {champion}"
    else:
        return
    flag = " --older" if is_older(version, champion) else ""
    raise PublishConflict(
        f"{why} (promoted {now.moved_at} by {now.promoted_by}), which stays; "
        f"start a new run, or promote by hand: recsys promote {version}{flag}"
    )


def _was_champion(store: ObjectStore, dataset: str, now: Pointer, version: str) -> bool:
    """Whether a move led to the version since its run began; reads no further back than that."""
    for place in range(now.move - 1, 0, -1):
        entry = _entry(store, dataset, place)
        if entry and entry.version == version:
            return True
        if entry and re.sub("[-:]", "", entry.moved_at) < version.partition("-")[0]:
            return False
    return False


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
