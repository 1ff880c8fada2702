"""Reads the manifests of the versions in a bucket: of one, or of all, newest first."""

import logging

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.errors import ArtifactRefused, NotFound, SettingsError

log = logging.getLogger(__name__)


def read_manifest(
    store: ObjectStore, dataset: str, version: str, sha256: str | None = None
) -> Manifest:
    """The manifest of a version, checked.

    Args:
        store: the bucket.
        dataset: prefix in the bucket.
        version: name of the version.
        sha256: what a pointer says that the manifest's bytes hash to.

    Raises:
        NotFound: there is no such version.
        ArtifactRefused: the manifest is not acceptable, or is that of another version.
    """
    key = keys.manifest(dataset, version)
    try:
        document = store.get(key, sha256)
    except NotFound:
        raise NotFound(f"there is no version {version} of {dataset}") from None
    manifest = Manifest.from_bytes(document, key)
    if (manifest.dataset, manifest.version) != (dataset, version):
        raise ArtifactRefused(key, f"says that it is {manifest.dataset}/{manifest.version}")
    return manifest


def list_manifests(store: ObjectStore, dataset: str) -> tuple[Manifest, ...]:
    """The manifest of every version, newest first.

    Files without a manifest are no version; a manifest that cannot be read is logged and left out.
    """
    prefix = keys.versions(dataset)
    names = {
        found.key.removeprefix(prefix).partition("/")[0]
        for found in store.list(prefix)
        if found.key.endswith(f"/{keys.MANIFEST}")
    }
    manifests = []
    for name in sorted(names, reverse=True):
        try:
            manifests.append(read_manifest(store, dataset, name))
        except (NotFound, ArtifactRefused, SettingsError) as error:
            log.warning("not listed: %s", error)
    return tuple(manifests)
