"""Recommendations for all users in the bucket: one file for each range of users, the manifest last.

A part's key follows from version, k, format and shard alone, so a retry writes the same key and, with
the same libraries, the same bytes. A reader begins with the manifest: without it there is no batch.
"""

import logging
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.errors import ArtifactRefused, NotFound
from recsys_tasks.recommend.batch import Format, Progress, shard_of, write_part
from recsys_tasks.recommend.recommender import Recommender

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartFacts:
    """One file of a batch: what passes from the task that wrote it to the one that seals."""

    name: str
    shard: int
    users: int
    places: int
    """Places of all lists together."""

    bytes: int
    sha256: str
    policy_sha256: str | None = None
    """Of the policy that the lists keep to."""


def put_part(
    store: ObjectStore,
    recommender: Recommender,
    shards: int,
    shard: int,
    k: int = 10,
    format: Format = "jsonl",
    progress: Progress | None = None,
) -> PartFacts:
    """Writes one shard's lists to ``<dataset>/batch/<version>/k<k>-<format>/part-00000-of-00007.<format>``.

    Raises:
        SettingsError: there is no such shard, or pyarrow is missing.
        StoreUnavailable: the store stayed away.
    """
    artifacts, name = recommender.artifacts, f"part-{shard:05}-of-{shards:05}.{format}"
    users = shard_of(len(artifacts.user_ids), shards, shard)
    with tempfile.TemporaryDirectory(prefix="recsys-batch-") as folder:
        path = Path(folder) / name
        places = write_part(recommender, path, users, k, format, progress)
        key = keys.batch(artifacts.dataset, artifacts.version, k, format) + name
        sha256 = store.upload_file(path, key)
        size = path.stat().st_size
    log.info("wrote %s: %d users, %d bytes", key, len(users), size)
    return PartFacts(name, shard, len(users), places, size, sha256, recommender.policy_sha256)


def pin_version(store: ObjectStore, dataset: str, version: str = "") -> str:
    """The version that every part of a batch comes from: the one that is named, or the champion.

    Raises:
        NotFound: there is no champion.
    """
    if version:
        return version
    pointer = read_pointer(store, dataset)
    if pointer is None:
        raise NotFound(f"{dataset} has no champion: run recsys_train first, or name a version")
    return pointer.version


def seal_parts(
    store: ObjectStore,
    recommender: Recommender,
    parts: Iterable[PartFacts],
    k: int = 10,
    format: Format = "jsonl",
) -> str:
    """Writes the batch's ``manifest.json``, which names its parts; returns its key.

    Args:
        store: the bucket.
        recommender: the version that the parts were made from.
        parts: what ``put_part`` returned for each shard, in any order.
        k, format: as the parts were written.

    Raises:
        ArtifactRefused: a shard is missing or there twice, not every user is in a part, or the policy
            changed between two parts.
    """
    artifacts, found = recommender.artifacts, sorted(parts, key=lambda part: part.shard)
    n_users = len(artifacts.user_ids)
    expected = [f"part-{i:05}-of-{len(found):05}.{format}" for i in range(len(found))]
    if [part.name for part in found] != expected or not found:
        names = ", ".join(part.name for part in found)
        raise ArtifactRefused(keys.MANIFEST, f"not each shard once: {names or 'no part at all'}")
    if (held := sum(part.users for part in found)) != n_users:
        raise ArtifactRefused(keys.MANIFEST, f"parts hold {held} users, the version has {n_users}")
    policies = {part.policy_sha256 for part in found}
    if len(policies) > 1:
        raise ArtifactRefused(
            keys.MANIFEST, "the policy changed between two parts: write them again"
        )
    key = keys.batch(artifacts.dataset, artifacts.version, k, format) + keys.MANIFEST
    store.put_json(
        key,
        {
            "schema_version": 1,
            "dataset": artifacts.dataset,
            "version": artifacts.version,
            "k": k,
            "format": format,
            "users": n_users,
            "policy_sha256": policies.pop(),
            "parts": [asdict(part) for part in found],
        },
    )
    return key
