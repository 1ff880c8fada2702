"""``judged.npz``: the model that a finalised version was measured by, for the next run's comparison.

A finalised version answers with a model that was trained on its own test part. Whoever compares it with another
one, or goes on from it, must take the model that was not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.arrays import read_npz
from recsys_tasks.artifacts.histories import FOLD_IN_ARRAYS, LIKED_ARRAYS, fold_in_of, liked_of
from recsys_tasks.artifacts.history_map import HistoryMap
from recsys_tasks.artifacts.liked import Liked
from recsys_tasks.errors import ArtifactRefused

NAME = "judged.npz"
"""Only finalised versions have it; consumers need it not."""

OF_LIKED, OF_FOLD_IN = "liked.", "fold_in."

OWN = {
    "user_embeddings": "<f4",
    "item_embeddings": "<f4",
    "user_counts": "<i4",
    "popular": "<i8",
    "feature_embeddings": "<f4",
    "feature_biases": "<f4",
}
ARRAYS = (
    OWN
    | {OF_LIKED + name: dtype for name, dtype in LIKED_ARRAYS.items()}
    | {OF_FOLD_IN + name: dtype for name, dtype in FOLD_IN_ARRAYS.items()}
)


@dataclass(frozen=True, eq=False)
class Judged:
    """The judged model in the rows of its version, as far as serving and a warm start need it.

    Args:
        users: float32 ``(n_users, c + 2)``, as ``user_embeddings.npy``.
        items: float32 ``(n_items, c + 2)``, as ``item_embeddings.npy``.
        counts: int32 ``(n_users,)``, training positives.
        popular: int64; rows of its popular list, most popular first.
        liked: of each user, what it was trained on.
        history_map: what makes a vector of a history.
        feature_embeddings, feature_biases: float32, in the order of the names in ``features.npz``.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    counts: NDArray[np.int32]
    popular: NDArray[np.int64]
    liked: Liked
    history_map: HistoryMap
    feature_embeddings: NDArray[np.float32]
    feature_biases: NDArray[np.float32]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of ``judged.npz``."""
        liked = {OF_LIKED + name: getattr(self.liked, name) for name in LIKED_ARRAYS}
        fold_in = {OF_FOLD_IN + n: array for n, array in self.history_map.to_arrays().items()}
        own = (
            self.users,
            self.items,
            self.counts,
            self.popular,
            self.feature_embeddings,
            self.feature_biases,
        )
        return {**dict(zip(OWN, own, strict=True)), **liked, **fold_in}


def read_judged(path: Path) -> Judged:
    """The judged model of a version; its large arrays stay on disk.

    Raises:
        ArtifactRefused: the file is no such model, or its arrays contradict each other.
    """
    arrays = read_npz(path, NAME, ARRAYS)
    users, items = arrays["user_embeddings"], arrays["item_embeddings"]
    _refuse_unfit(arrays)
    shape = len(users), len(items)
    return Judged(
        users,
        items,
        arrays["user_counts"],
        arrays["popular"],
        liked_of(_part(arrays, OF_LIKED), NAME, shape),
        fold_in_of(_part(arrays, OF_FOLD_IN), NAME, shape[1], users.shape[1] - 2),
        arrays["feature_embeddings"],
        arrays["feature_biases"],
    )


def _part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): array for n, array in arrays.items() if n.startswith(prefix)}


def _refuse_unfit(arrays: Mapping[str, NDArray[Any]]) -> None:
    users, items, features, popular = (
        arrays[name]
        for name in ("user_embeddings", "item_embeddings", "feature_embeddings", "popular")
    )
    sound = (
        users.ndim == items.ndim == features.ndim == 2
        and users.shape[1] == items.shape[1] == features.shape[1] + 2
        and arrays["user_counts"].shape == (len(users),)
        and arrays["feature_biases"].shape == (len(features),)
        and popular.ndim == 1
        and bool(((popular >= 0) & (popular < len(items))).all())
    )
    if not sound:
        raise ArtifactRefused(NAME, "its arrays do not fit together")
