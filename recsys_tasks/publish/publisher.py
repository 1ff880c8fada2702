"""Publishes a folder of files as a version: upload, read back, manifest last, verify.

1. Every file goes up and is read back. 2. The manifest goes up last, and with it the version comes
into being. 3. A fresh process downloads the version as a consumer would and asks it the golden
queries. Only then may a channel point at it (``channels``). A crash anywhere leaves files that no
manifest names; running it again finishes the work.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsys_tasks.artifacts import canonical_json, keys
from recsys_tasks.artifacts.manifest import FileFacts, Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import (
    ArtifactRefused,
    NotFound,
    PermanentError,
    PublishConflict,
    StoreUnavailable,
)
from recsys_tasks.publish.version_files import describe

log = logging.getLogger(__name__)

VERIFY_SECONDS = 1800
"""A version that takes longer to download and check than this is not verified."""


def seal(folder: Path, sections: Mapping[str, Any]) -> Manifest:
    """The manifest of a folder's files.

    Args:
        folder: every file of the version, and nothing else.
        sections: all of the manifest but ``files``, as JSON values; ``schema_version`` is 1 where
            they do not say it.

    Raises:
        ArtifactRefused: a section or a file that a manifest cannot carry.
    """
    files = {
        path.name: describe(path).model_dump()
        for path in sorted(folder.iterdir())
        if path.name != keys.MANIFEST
    }
    tree = {"schema_version": 1, **sections, "files": files}
    return Manifest.from_bytes(canonical_json.to_bytes(tree))


def publish(
    store: ObjectStore, dataset: str, version: str, folder: Path, manifest: Manifest
) -> str:
    """Brings a version into being, or makes whole what is left of it.

    Args:
        store: the bucket.
        dataset: prefix in the bucket.
        version: name of the version; the manifest carries the same.
        folder: the files that the manifest names.
        manifest: as ``seal`` made it.

    Returns:
        the sha256 of the manifest, in hex.

    Raises:
        PublishConflict: this version is there already, with another manifest.
        ArtifactRefused: a file is not what the manifest says.
        StoreUnavailable: the store stayed away; nothing that a consumer could see has changed.
    """
    if (manifest.dataset, manifest.version) != (dataset, version):
        raise ArtifactRefused(
            keys.MANIFEST, f"is of {manifest.dataset}/{manifest.version}, not {dataset}/{version}"
        )
    document = manifest.to_bytes()
    key, prefix = keys.manifest(dataset, version), keys.version(dataset, version)
    found = _find(store, key)
    if found and found != document:
        raise PublishConflict(f"{key}: this version is published already, with other content")
    for name, facts in manifest.files.items():
        if not found or not store.holds(prefix + name, facts.sha256):
            _upload(store, folder / name, prefix + name, facts)
    if found:
        log.info("%s/%s is published already, with the same manifest", dataset, version)
    else:
        store.put(key, document, if_none_match=found is None)
        log.info("published %s", key)
    return manifest.sha256()


def verify_version(store: ObjectStore, dataset: str, version: str) -> None:
    """As ``verify_in_fresh_process``; what it finds is kept for ``refusals``.

    Raises:
        ArtifactRefused, StoreUnavailable: as there.
    """
    with verdict_kept(store, dataset, version):
        verify_in_fresh_process(store.access, dataset, version)


def check_files(store: ObjectStore, dataset: str, version: str) -> None:
    """Reads every file of a version in the bucket and compares its sha256 with the manifest's.

    Raises:
        ArtifactRefused: one is missing or differs; kept for ``refusals``.
    """
    prefix = keys.version(dataset, version)
    with verdict_kept(store, dataset, version):
        for name, facts in read_manifest(store, dataset, version).files.items():
            if not store.holds(prefix + name, facts.sha256):
                raise ArtifactRefused(name, "is missing, or is not what the manifest says")


@contextmanager
def verdict_kept(store: ObjectStore, dataset: str, version: str) -> Iterator[None]:
    """Keeps why a version is refused inside the block, and forgets it when the version proves whole.

    Keys that may only read leave no word behind.
    """
    key = f"{keys.refusals(dataset)}{keys.check_version(version)}.json"
    try:
        yield
    except ArtifactRefused as error:
        _note(store, key, str(error))
        raise
    _note(store, key, "")


def refusals(store: ObjectStore, dataset: str) -> dict[str, str]:
    """The versions that verification last refused, with the reason."""
    prefix = keys.refusals(dataset)
    found = {
        listed.key.removeprefix(prefix).removesuffix(".json"): store.get_json(listed.key)
        for listed in store.list(prefix)
    }
    return {version: str(told["reason"]) for version, told in found.items() if told["reason"]}


def verify_in_fresh_process(access: StoreAccess, dataset: str, version: str) -> None:
    """Has another process download the version, check every file and replay the golden queries.

    Raises:
        ArtifactRefused: the process refused the version, crashed on it or took too long.
        StoreUnavailable: it could not reach the store.
    """
    command = [sys.executable, "-m", "recsys_tasks.publish.verify", dataset, version]
    try:
        done = subprocess.run(
            command,
            env=access.environment(os.environ),
            capture_output=True,
            text=True,
            timeout=VERIFY_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ArtifactRefused(version, f"not verified within {VERIFY_SECONDS} s") from None
    said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    if done.returncode == StoreUnavailable.exit_code:
        raise StoreUnavailable(f"verifying {version}: {said}")
    if done.returncode != 0:
        raise ArtifactRefused(version, f"verification ended with {done.returncode}: {said}")
    log.info("verified %s/%s: %s", dataset, version, done.stdout.strip())


def _note(store: ObjectStore, key: str, reason: str) -> None:
    """Keeps a reason; an empty one only where another has been kept."""
    try:
        if reason or store.exists(key):
            store.put_json(key, {"reason": reason})
    except PermanentError as error:
        log.info("what verification found is not kept: %s", error)


def _upload(store: ObjectStore, path: Path, key: str, facts: FileFacts) -> None:
    digest = store.upload_file(path, key)
    if digest != facts.sha256:
        raise ArtifactRefused(path.name, "changed between sealing and publishing")
    log.info("uploaded %s, %d bytes, sha256 %s…", path.name, facts.bytes, digest[:12])


def _find(store: ObjectStore, key: str) -> bytes | None:
    """The manifest that is there; empty when it is damaged, so that this publish may replace it."""
    try:
        return store.get(key)
    except NotFound:
        return None
    except ArtifactRefused as error:
        log.warning("%s; writing it again", error)
        return b""
