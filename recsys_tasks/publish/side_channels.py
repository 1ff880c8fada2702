"""Channels beside the champion: a canary for some users, a shadow that answers and is not shown."""

from datetime import UTC, datetime

from recsys_tasks.artifacts import canonical_json, keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import Pointer, read_pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.errors import GateRejected, SettingsError
from recsys_tasks.publish.pointer_move import Lock, Verify
from recsys_tasks.publish.publisher import verify_version

SIDE_CHANNELS = ("canary", "shadow")
"""Their pointers lie beside the champion's; a move of them wakes no DAG and moves no table."""


def point(
    store: ObjectStore,
    lock: Lock,
    dataset: str,
    channel: str,
    version: str,
    by: str,
    reason: str = "",
    force: bool = False,
    verify: Verify = verify_version,
) -> Pointer:
    """Points a channel beside the champion at a version. What is already so stays as it is.

    Args:
        store: the bucket.
        lock: held while the pointer moves; the one that promotions and clean-ups hold.
        dataset: prefix in the bucket.
        channel: one of ``SIDE_CHANNELS``.
        version: a published version.
        by: who does it, as the pointer names it.
        reason: why, in words; needed with ``force``.
        force: although the gate rejected it.
        verify: checks the version's files.

    Raises:
        NotFound: there is no such version.
        GateRejected: the gate rejected it, and ``force`` is off.
        ArtifactRefused: a file of it is missing or altered.
        SettingsError: no such channel, or ``force`` without a reason.
    """
    if channel not in SIDE_CHANNELS:
        raise SettingsError(f"there is no channel {channel!r}: {', '.join(SIDE_CHANNELS)}")
    if force and not reason.strip():
        raise SettingsError("forcing a promotion needs a reason, which the pointer will carry")
    manifest = read_manifest(store, dataset, version)
    if not manifest.gate.accepted and not force:
        raise GateRejected(
            tuple(f"{rule.name} failed" for rule in manifest.gate.rules if not rule.passed)
        )
    verify(store, dataset, version)
    with lock:
        read_manifest(store, dataset, version)  # a clean-up may have removed it meanwhile
        now = read_pointer(store, dataset, channel)
        if now and (now.version, now.manifest_sha256) == (version, manifest.sha256()):
            return now
        pointer = Pointer(
            version=version,
            manifest_sha256=manifest.sha256(),
            promoted_by=by,
            previous=now.version if now else None,
            move=now.move + 1 if now else 1,
            moved_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            reason=reason,
            forced=force and not manifest.gate.accepted,
        )
        document = canonical_json.to_bytes(pointer.model_dump(mode="json"))
        store.put(keys.pointer(dataset, channel), document)
    return pointer
