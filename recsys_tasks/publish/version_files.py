"""Writes the arrays of a model as the files of a version.

Every file is a function of its content: the same arrays give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recsys_tasks.artifacts import canonical_json
from recsys_tasks.artifacts import judged as judged_file
from recsys_tasks.artifacts.histories import FOLD_IN
from recsys_tasks.artifacts.history_map import HistoryMap
from recsys_tasks.artifacts.ids import Id, Ids, id_at, id_list
from recsys_tasks.artifacts.items import ALWAYS, Item, Noun, Period, item_line
from recsys_tasks.artifacts.judged import Judged
from recsys_tasks.artifacts.liked import Liked
from recsys_tasks.artifacts.manifest import FileFacts
from recsys_tasks.artifacts.object_store import file_sha256
from recsys_tasks.artifacts.reader import check_ids
from recsys_tasks.errors import ArtifactRefused

POPULAR_LENGTH = 1000
"""Items in the popular list: enough to fill a page for someone who has seen hundreds of them."""


@dataclass(frozen=True)
class Users:
    """Every user of a version.

    Args:
        ids: ``(n_users,)``, unique: ascending numbers, or whatever ``items`` of the noun item allow.
        embeddings: float32 ``(n_users, components + 2)``, rows [vector, bias, 1].
        counts: int32 ``(n_users,)``, training positives; 0 means that the vector is untrained.
        seen_indptr: int64 ``(n_users + 1,)`` and
        seen_indices: int32 ``(n_seen,)``, CSR of the items that each has rated, ascending in a row.
        liked: of each user, what was trained on; None: no ``liked.npz``.
    """

    ids: Ids
    embeddings: NDArray[np.float32]
    counts: NDArray[np.int32]
    seen_indptr: NDArray[np.int64]
    seen_indices: NDArray[np.int32]
    liked: Liked | None = None


@dataclass(frozen=True)
class Items:
    """Every item of a version.

    Args:
        ids: ``(n_items,)``, unique: of movies int64, ascending; of items int64 or bytes, in any order.
        embeddings: float32 ``(n_items, components + 2)``, rows [vector, 1, bias].
        counts: int32 ``(n_items,)``, training positives.
        popular: rows, most popular first: ``baselines.popular_order``.
        titles: one for each item.
        genres: the categories of each item.
        noun: what the dataset calls its items.
        available: from when and until when each may be shown; None: always.
    """

    ids: Ids
    embeddings: NDArray[np.float32]
    counts: NDArray[np.int32]
    popular: NDArray[np.int32]
    titles: Sequence[str]
    genres: Sequence[Sequence[str]]
    noun: Noun = "movie"
    available: Sequence[Period] | None = None


@dataclass(frozen=True)
class Features:
    """What an item is made of in the model, for items that it has never met.

    Args:
        names: ``movie:<id>`` and ``genre:<name>``, or ``item:`` and ``category:``, in the model's order.
        embeddings: float32 ``(n_features, components)``.
        biases: float32 ``(n_features,)``.
    """

    names: Sequence[str]
    embeddings: NDArray[np.float32]
    biases: NDArray[np.float32]


def write_version(
    folder: Path,
    users: Users,
    items: Items,
    features: Features,
    history_map: HistoryMap | None = None,
) -> None:
    """Writes all files of a version but the index, the golden queries and the manifest.

    Args:
        folder: an existing folder, empty or with an earlier try's files.
        users: rows of ``user_embeddings.npy``, ``user_ids.npy``, ``user_counts.npy``, ``seen.npz``,
            ``liked.npz``.
        items: rows of ``item_embeddings.npy``, ``item_ids.npy``, ``items.jsonl``, ``popular.json``.
        features: ``features.npz``.
        history_map: ``fold_in.npz``; None: there is none.

    Raises:
        ArtifactRefused: NaN or infinity in an embedding, ids out of order, lengths that differ.
    """
    _check(users, items, features)
    _save(folder / "user_embeddings.npy", users.embeddings, np.float32)
    _save(folder / "user_ids.npy", users.ids, users.ids.dtype)
    _save(folder / "user_counts.npy", users.counts, np.int32)
    _save(folder / "item_embeddings.npy", items.embeddings, np.float32)
    _save(folder / "item_ids.npy", items.ids, items.ids.dtype)
    _save_many(
        folder / "seen.npz",
        indptr=users.seen_indptr.astype(np.int64),
        indices=users.seen_indices.astype(np.int32, copy=False),
    )
    if users.liked is not None:
        likes = users.liked
        _save_many(
            folder / "liked.npz",
            indptr=likes.indptr.astype(np.int64),
            indices=likes.indices.astype(np.int32, copy=False),
            weights=likes.weights.astype(np.float32, copy=False),
        )
    _save_many(
        folder / "features.npz",
        names=np.asarray(features.names, dtype=np.str_),
        embeddings=features.embeddings.astype(np.float32),
        biases=features.biases.astype(np.float32),
    )
    if history_map is not None:
        _save_many(folder / FOLD_IN, **history_map.to_arrays())
    lines = [canonical_json.to_bytes(line) for line in item_lines(items)]
    (folder / "items.jsonl").write_bytes(b"".join(lines))
    (folder / "popular.json").write_bytes(canonical_json.to_bytes(popular_list(items)))


def write_judged(folder: Path, judged: Judged) -> None:
    """Writes ``judged.npz``, which finalised versions have beside what they answer with."""
    _save_many(folder / judged_file.NAME, **judged.to_arrays())


def item_lines(items: Items) -> list[dict[str, Any]]:
    """What ``items.jsonl`` says of each item, in row order."""
    available = items.available or [ALWAYS] * len(items.ids)
    columns = id_list(items.ids), items.titles, items.genres, items.counts.tolist(), available
    return [
        item_line(items.noun, Item(item, title, tuple(categories), count, period))
        for item, title, categories, count, period in zip(*columns, strict=True)
    ]


def popular_list(items: Items) -> list[dict[str, Id]]:
    """The most popular items, most first, with their training positives."""
    order = items.popular[:POPULAR_LENGTH]
    name = f"{items.noun}_id"
    return [{name: id_at(items.ids, i), "positives": int(items.counts[i])} for i in order]


def describe(path: Path) -> FileFacts:
    """What the manifest says of a file; dtype and shape where it is one array."""
    dtype: str | None = None
    shape: list[int] | None = None
    if path.suffix == ".npy":
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        dtype, shape = str(array.dtype), list(array.shape)
    return FileFacts(sha256=file_sha256(path), bytes=path.stat().st_size, dtype=dtype, shape=shape)


def _check(users: Users, items: Items, features: Features) -> None:
    n_users, n_items = len(users.ids), len(items.ids)
    _same_length("user_counts.npy", users.counts, n_users)
    _same_length("user_embeddings.npy", users.embeddings, n_users)
    _same_length("seen.npz", users.seen_indptr, n_users + 1)
    if users.liked is not None:
        _same_length("liked.npz", users.liked.indptr, n_users + 1)
    _same_length("popular.json", items.popular, n_items)
    _same_length("item_embeddings.npy", items.embeddings, n_items)
    _same_length("features.npz", features.embeddings, len(features.names))
    if users.embeddings.shape[1] != items.embeddings.shape[1]:
        raise ArtifactRefused("item_embeddings.npy", "another width than the users' embeddings")
    for name, array in (
        ("user_embeddings.npy", users.embeddings),
        ("item_embeddings.npy", items.embeddings),
        ("features.npz", features.embeddings),
        ("features.npz", features.biases),
    ):
        if not np.isfinite(array).all():
            raise ArtifactRefused(name, "holds NaN or infinity")
    for name, ids in (("user_ids.npy", users.ids), ("item_ids.npy", items.ids)):
        check_ids(name, ids, items.noun)


def _same_length(name: str, rows: NDArray[Any], expected: int) -> None:
    if len(rows) != expected:
        raise ArtifactRefused(name, f"{len(rows)} rows, expected {expected}")


def _save(path: Path, array: NDArray[Any], dtype: DTypeLike) -> None:
    np.save(path, np.ascontiguousarray(array, dtype=dtype), allow_pickle=False)


def _save_many(path: Path, **arrays: NDArray[Any]) -> None:
    np.savez(path, allow_pickle=False, **arrays)
