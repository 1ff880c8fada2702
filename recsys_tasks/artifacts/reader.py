"""Opens a version's files after checking each against the manifest.

Files land in a cache under their sha256, where several processes share one memory-mapped copy, and
are hashed at every load. annoy checks nothing of what it maps, so its file is compared with the
manifest, and this build's layout with the one that wrote it, before annoy sees it.
"""

import logging
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.ann_index import annoy_format, evenly_spaced, index_queries, index_rows
from recsys_tasks.artifacts.annoy_file import check_annoy_file
from recsys_tasks.artifacts.arrays import IDS, read_npy, read_npz
from recsys_tasks.artifacts.exact_search import ExactSearch
from recsys_tasks.artifacts.histories import HISTORIES, check_csr, read_histories
from recsys_tasks.artifacts.history_map import HistoryMap
from recsys_tasks.artifacts.ids import IdLookup, Ids, is_text
from recsys_tasks.artifacts.items import Item, Noun, check_listed, read_items, read_popular
from recsys_tasks.artifacts.liked import Liked
from recsys_tasks.artifacts.manifest import NOUN_OF, FileFacts, IndexFacts, Manifest
from recsys_tasks.artifacts.object_store import ObjectStore, file_sha256
from recsys_tasks.errors import ArtifactRefused, NotFound

log = logging.getLogger(__name__)

READ = (
    "user_embeddings.npy",
    "item_embeddings.npy",
    "user_ids.npy",
    "item_ids.npy",
    "user_counts.npy",
    "items.ann",
    "items.jsonl",
    "seen.npz",
    "features.npz",
    "popular.json",
    "golden.json",
)
"""The files that answers need; reports and plots are left in the bucket."""

Movie = Item
"""An item under the name that movies have it by."""

SAMPLE = 1000
"""Trained users who tell exact search how users weigh the columns."""

UNUSED = timedelta(days=14)
"""How long a file stays in the cache after a version last asked for it."""

CACHED = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{64}\..+")
"""Names of files that are this cache's, whole or half downloaded."""


@dataclass(frozen=True)
class Artifacts:
    """One version, open and checked; shapes and dtypes as in DESIGN's table of files."""

    dataset: str
    version: str
    index_facts: IndexFacts
    user_ids: Ids
    user_embeddings: NDArray[np.float32]
    user_counts: NDArray[np.int32]
    item_ids: Ids
    item_embeddings: NDArray[np.float32]
    seen_indptr: NDArray[np.int64]
    seen_indices: NDArray[np.int32]
    liked: Liked
    """What was trained on of each user, weaker positives too."""

    feature_names: NDArray[np.str_]
    feature_embeddings: NDArray[np.float32]
    items: tuple[Item, ...]
    popular: NDArray[np.int64]
    """Rows of the popular list, most popular first."""

    index: AnnoyIndex
    fold_in: HistoryMap | None = None
    """Of ``fold_in.npz``, where the version has it."""

    noun: Noun = "movie"
    """What the dataset calls its items."""

    @property
    def movies(self) -> tuple[Item, ...]:
        """The items, under the name that movies have them by."""
        return self.items

    @cached_property
    def users_by_id(self) -> IdLookup:
        """Finds the row of a user."""
        return IdLookup(self.user_ids)

    @cached_property
    def items_by_id(self) -> IdLookup:
        """Finds the row of an item."""
        return IdLookup(self.item_ids)

    @cached_property
    def rows_by_category(self) -> dict[str, NDArray[np.int64]]:
        """The rows of the items of each category, ascending."""
        rows: dict[str, list[int]] = {}
        for row, item in enumerate(self.items):
            for category in item.categories:
                rows.setdefault(category, []).append(row)
        return {category: np.array(own, np.int64) for category, own in rows.items()}

    @cached_property
    def is_trained(self) -> NDArray[np.bool_]:
        """Which items have a vector or a bias: a row of zeros was never trained, and is no answer."""
        rows = np.delete(self.item_embeddings, -2, axis=1)
        return np.asarray(rows.any(axis=1))

    @cached_property
    def exact_search(self) -> ExactSearch:
        """Exact search among the trained items, made when it is first asked for."""
        users = evenly_spaced(np.flatnonzero(self.user_counts > 0), SAMPLE)
        return ExactSearch(
            index_rows(self.item_embeddings, "dot"),
            np.flatnonzero(self.is_trained),
            index_queries(self.user_embeddings[users], "dot"),
        )


def default_cache() -> Path:
    """``recsys`` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "recsys"


def fetch(
    store: ObjectStore, manifest: Manifest, cache: Path, names: tuple[str, ...] | None = None
) -> dict[str, Path]:
    """Files of a version, downloaded into the cache unless they are there, every one hashed.

    What no version has asked the cache for within ``UNUSED`` is removed from it; a process that has such
    a file mapped keeps reading it.

    Args:
        store: the bucket.
        manifest: of the version.
        cache: folder of the content-addressed cache; made if it is missing.
        names: which of the manifest's files; None: those that answers need.

    Returns:
        the path of each file by its name.

    Raises:
        ArtifactRefused: a file is missing in the bucket or is not what the manifest says.
        StoreUnavailable: the store stayed away.
    """
    prefix = keys.version(manifest.dataset, manifest.version)
    if names is None:
        names = (*READ, *(name for name in HISTORIES if name in manifest.files))
    paths = {name: _cached(store, prefix, name, manifest.files[name], cache) for name in names}
    _prune(cache)
    return paths


def open_version(manifest: Manifest, paths: Mapping[str, Path]) -> Artifacts:
    """Fetched files as arrays and an index.

    Raises:
        ArtifactRefused: a file differs from the manifest in dtype or shape, files contradict each
            other, or this annoy cannot read the index.
    """
    for name, facts in manifest.files.items():
        if name in paths and facts.shape is not None:
            _compare(name, facts, paths[name])
    opened = open_files(manifest.dataset, manifest.version, manifest.index, paths)
    if opened.noun != NOUN_OF[manifest.schema_version]:
        raise ArtifactRefused(
            "items.jsonl", f"lists {opened.noun}s, not as schema {manifest.schema_version} says"
        )
    return opened


def open_files(
    dataset: str, version: str, facts: IndexFacts, paths: Mapping[str, Path]
) -> Artifacts:
    """As ``open_version``, for files that no manifest names yet."""
    user_ids = read_npy(paths["user_ids.npy"], "user_ids.npy", IDS)
    users = read_npy(paths["user_embeddings.npy"], "user_embeddings.npy", "<f4")
    counts = read_npy(paths["user_counts.npy"], "user_counts.npy", "<i4")
    item_ids = read_npy(paths["item_ids.npy"], "item_ids.npy", IDS)
    items = read_npy(paths["item_embeddings.npy"], "item_embeddings.npy", "<f4")
    seen = read_npz(paths["seen.npz"], "seen.npz", {"indptr": "<i8", "indices": "<i4"})
    features = read_npz(
        paths["features.npz"], "features.npz", {"names": "U", "embeddings": "<f4", "biases": "<f4"}
    )
    noun, listed = read_items(paths["items.jsonl"])
    check_ids("user_ids.npy", user_ids, noun)
    check_ids("item_ids.npy", item_ids, noun)
    check_listed(listed, item_ids)
    _check_embeddings("user_embeddings.npy", users, len(user_ids), one=-1)
    _check_embeddings("item_embeddings.npy", items, len(item_ids), one=-2)
    _check_width("item_embeddings.npy", items.shape[1], users.shape[1])
    _check_counts(counts, len(user_ids))
    shape = len(user_ids), len(item_ids)
    check_csr("seen.npz", seen, shape)
    liked, fold_in = read_histories(paths, shape, users.shape[1] - 2)
    _check_features(features, users.shape[1] - 2)
    opened = Artifacts(
        dataset=dataset,
        version=version,
        index_facts=facts,
        user_ids=user_ids,
        user_embeddings=users,
        user_counts=counts,
        item_ids=item_ids,
        item_embeddings=items,
        seen_indptr=seen["indptr"],
        seen_indices=seen["indices"],
        liked=liked,
        feature_names=features["names"],
        feature_embeddings=features["embeddings"],
        items=listed,
        popular=read_popular(paths["popular.json"], IdLookup(item_ids)),
        index=_open_index(paths["items.ann"], facts, items),
        fold_in=fold_in,
        noun=noun,
    )
    if facts.search == "exact":
        opened.exact_search  # noqa: B018 (made now: the first question need not wait for it)
    return opened


def _cached(store: ObjectStore, prefix: str, name: str, facts: FileFacts, cache: Path) -> Path:
    folder = cache / facts.sha256[:2]
    path = folder / facts.sha256
    with suppress(OSError):  # not there yet, or another account's
        os.utime(path)
    if path.is_file() and path.stat().st_size == facts.bytes and file_sha256(path) == facts.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    try:
        store.download_file(prefix + name, path, facts.sha256, facts.bytes)
    except ArtifactRefused as error:
        raise ArtifactRefused(name, error.reason) from None
    except NotFound:
        raise ArtifactRefused(name, "is missing, though the manifest names it") from None
    return path


def _prune(cache: Path) -> None:
    """Removes files, also of downloads that were killed, which nobody has asked for since ``UNUSED``."""
    before = time.time() - UNUSED.total_seconds()
    for path in cache.glob("[0-9a-f][0-9a-f]/*"):
        with suppress(OSError):
            if CACHED.fullmatch(path.name) and path.stat().st_mtime < before:
                path.unlink()


def _compare(name: str, facts: FileFacts, path: Path) -> None:
    array = read_npy(path, name, np.dtype(facts.dtype).str)
    if list(array.shape) != facts.shape:
        raise ArtifactRefused(name, f"shape {list(array.shape)}, the manifest says {facts.shape}")


def check_ids(name: str, ids: Ids, noun: Noun) -> None:
    """Refuses ids that are not one a row: of movies ascending numbers, of other items numbers or text.

    Raises:
        ArtifactRefused: ids that repeat, are out of order, are negative, empty, or not UTF-8.
    """
    if noun == "movie":
        if ids.dtype.kind == "S" or ids.ndim != 1 or not len(ids) or not _ascend(ids):
            raise ArtifactRefused(name, "not a list of ascending, unique ids")
        return
    if ids.ndim != 1 or not len(ids) or not IdLookup(ids).are_unique:
        raise ArtifactRefused(name, "not a list of unique ids")
    numbers: NDArray[Any] = ids
    sound = is_text(ids) if ids.dtype.kind == "S" else bool((numbers >= 0).all())
    if not sound:
        raise ArtifactRefused(name, "an id is negative, empty or not UTF-8")


def _ascend(ids: NDArray[Any]) -> bool:
    return bool((np.diff(ids) > 0).all())


def _check_embeddings(name: str, rows: NDArray[Any], length: int, one: int) -> None:
    if rows.ndim != 2 or rows.shape[0] != length or rows.shape[1] < 3:
        raise ArtifactRefused(name, f"shape {rows.shape} does not fit {length} ids")
    if not np.isfinite(rows).all():
        raise ArtifactRefused(name, "holds NaN or infinity")
    if not (rows[:, one] == 1).all():
        raise ArtifactRefused(name, f"column {one} is not 1 throughout")


def _check_width(name: str, found: int, expected: int) -> None:
    if found != expected:
        raise ArtifactRefused(name, f"{found} columns, expected {expected}")


def _check_counts(counts: NDArray[Any], length: int) -> None:
    if counts.shape != (length,) or not (counts >= 0).all():
        raise ArtifactRefused("user_counts.npy", f"not {length} counts from 0 upwards")


def _check_features(features: Mapping[str, NDArray[Any]], components: int) -> None:
    names, rows, biases = features["names"], features["embeddings"], features["biases"]
    fits = names.ndim == 1 and rows.shape == (len(names), components)
    if not fits or biases.shape != names.shape:
        raise ArtifactRefused("features.npz", f"not {components} components for each name")
    if not (np.isfinite(rows).all() and np.isfinite(biases).all()):
        raise ArtifactRefused("features.npz", "holds NaN or infinity")


def _open_index(path: Path, facts: IndexFacts, items: NDArray[np.float32]) -> AnnoyIndex:
    rows = index_rows(np.asarray(items), facts.metric)
    if (facts.metric == "angular") != (facts.transform == "extra_dimension"):
        raise ArtifactRefused("items.ann", f"{facts.metric} with {facts.transform} is not known")
    _check_width("items.ann", facts.width, rows.shape[1])
    if annoy_format(facts.metric, facts.width) != facts.format:
        raise ArtifactRefused(
            "items.ann", "written by an annoy whose files this build of annoy cannot read"
        )
    check_annoy_file(path, facts.metric, facts.width, len(rows), facts.trees)
    index = AnnoyIndex(facts.width, facts.metric)
    try:
        index.load(str(path))
    except OSError as error:
        raise ArtifactRefused("items.ann", f"annoy cannot map it: {error}") from None
    if index.get_n_items() != len(rows):
        raise ArtifactRefused("items.ann", f"{index.get_n_items()} items, expected {len(rows)}")
    for row in {0, len(rows) // 2, len(rows) - 1}:
        if not np.allclose(index.get_item_vector(row), rows[row], rtol=1e-5, atol=1e-6):
            raise ArtifactRefused("items.ann", f"row {row} is not that of item_embeddings.npy")
    return index
