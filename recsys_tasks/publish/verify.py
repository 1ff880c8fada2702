"""Verifies a version as a consumer would load it: from the bucket alone, in a new process.

Run as ``python -m recsys_tasks.publish.verify DATASET VERSION`` with the bucket's access in the
environment. Exit codes: 0 whole; 3 refused, with the file's name; 4 the store could not be reached.
"""

import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.reader import fetch, open_version
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.connections import Connections
from recsys_tasks.errors import RecsysError
from recsys_tasks.publish.golden import NAME, replay
from recsys_tasks.recommend.recommender import Recommender


@dataclass(frozen=True)
class Verified:
    """What was checked: files with their hashes, bytes in all, golden queries."""

    dataset: str
    version: str
    manifest_sha256: str
    files: int
    bytes: int
    queries: int


def verify(
    store: ObjectStore, dataset: str, version: str, manifest_sha256: str | None = None
) -> Verified:
    """Downloads every file of a version into an empty folder, checks it, and asks the golden queries.

    Args:
        store: the bucket.
        dataset: prefix in the bucket.
        version: a published version.
        manifest_sha256: what a pointer says of the manifest.

    Raises:
        NotFound: there is no such version.
        ArtifactRefused: a file differs from the manifest, or an answer from the golden one.
        StoreUnavailable: the store stayed away.
    """
    manifest = read_manifest(store, dataset, version, manifest_sha256)
    with tempfile.TemporaryDirectory(prefix="recsys-verify-") as folder:
        paths = fetch(store, manifest, Path(folder), tuple(manifest.files))
        queries = replay(Recommender(open_version(manifest, paths)), paths[NAME])
    size = sum(facts.bytes for facts in manifest.files.values())
    return Verified(dataset, version, manifest.sha256(), len(manifest.files), size, queries)


def main(arguments: list[str]) -> int:
    """Verifies one version; its last line, on stdout or stderr, says how that went."""
    dataset, version = arguments
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    try:
        done = verify(ObjectStore(Connections.find().store()), dataset, version)
    except RecsysError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{done.files} files, {done.bytes} bytes, {done.queries} golden queries")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
