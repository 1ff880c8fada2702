"""Which version becomes champion, and what stands against it: a person's promotion, a run's, a rollback.

Every move verifies the files of the version that it leads to; ``pointer_move`` carries it out.
"""

from contextlib import nullcontext
from typing import Any

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import Pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.errors import (
    GateRejected,
    NotFound,
    PublishConflict,
    SettingsError,
)
from recsys_tasks.publish.history import gone_back_from, history, was_champion
from recsys_tasks.publish.pointer_move import Follow, Lock, Move, Verify, carry_out
from recsys_tasks.publish.publisher import check_files, verify_version


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

    def choose(now: Pointer | None) -> Move:
        _refuse_another_move(dataset, now, at_move)
        manifest = _judged(store, dataset, version, force)
        if now and is_older(version, now.version) and not older:
            raise PublishConflict(
                f"{version} is older than the champion, {now.version}, which stays; "
                f"to go back all the same: recsys promote {version} --older"
            )
        forced = force and not manifest.gate.accepted
        return Move(manifest, _before(now, version), reason, forced)

    return carry_out(store, lock, dataset, by, choose, verify, follow)


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

    def choose(now: Pointer | None) -> Move:
        manifest = _judged(store, dataset, version, force=False)
        if now and now.version != version:
            _refuse_unknown_champion(store, now, manifest)
        return Move(manifest, _before(now, version), reason="", forced=False)

    return carry_out(store, lock, dataset, by, choose, verify, follow)


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

    def choose(now: Pointer | None) -> Move:
        _refuse_another_move(dataset, now, at_move)
        if now and gone_back_from(store, dataset, now) == undo:
            manifest = read_manifest(store, dataset, now.version, now.manifest_sha256)
            return Move(manifest, now.previous, now.reason, now.forced)
        if now and now.version != undo:
            raise PublishConflict(
                f"the champion of {dataset} is {now.version}, not {undo}: it stays"
            )
        if now is None or now.previous is None:
            raise NotFound(f"the champion of {dataset} has no predecessor")
        return _back(store, dataset, now, reason)

    return carry_out(store, lock, dataset, by, choose, verify, follow)


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


def _judged(store: ObjectStore, dataset: str, version: str, force: bool) -> Manifest:
    """The version's manifest, accepted by the gate or forced."""
    manifest = read_manifest(store, dataset, version)
    if not manifest.gate.accepted and not force:
        raise GateRejected(_failed(manifest))
    return manifest


def _back(store: ObjectStore, dataset: str, now: Pointer, reason: str) -> Move:
    """The move to a pointer's predecessor, which takes over the predecessor's own predecessor."""
    target = str(now.previous)
    before = [entry for entry in history(store, dataset) if entry.version == target]
    digest = before[-1].manifest_sha256 if before else None
    manifest = read_manifest(store, dataset, target, digest)
    return Move(
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
    elif was_champion(store, manifest.dataset, now, version):
        why = f"{version} was champion before and was replaced; the champion is {champion}"
    else:
        return
    flag = " --older" if is_older(version, champion) else ""
    raise PublishConflict(
        f"{why} (promoted {now.moved_at} by {now.promoted_by}), which stays; "
        f"start a new run, or promote by hand: recsys promote {version}{flag}"
    )


def _failed(manifest: Manifest) -> tuple[str, ...]:
    failed = [rule for rule in manifest.gate.rules if not rule.passed]
    return tuple(
        rule.reason or f"{rule.name} is {rule.value}, bound {rule.bound}" for rule in failed
    )
