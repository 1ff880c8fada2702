"""The two files of a version that make users' vectors of what they like; older versions have neither."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.arrays import read_npz
from recsys_tasks.artifacts.history_map import HistoryMap
from recsys_tasks.artifacts.liked import Liked
from recsys_tasks.errors import ArtifactRefused

LIKED = "liked.npz"
"""What each user likes; in a version without it, what was rated stands for it."""

FOLD_IN = "fold_in.npz"
"""What makes a vector of a history; for a version without it, the reader learns it."""

HISTORIES = (LIKED, FOLD_IN)

SEEN_ARRAYS = {"indptr": "<i8", "indices": "<i4"}
LIKED_ARRAYS = SEEN_ARRAYS | {"weights": "<f4"}
FOLD_IN_ARRAYS = dict.fromkeys(("item_scale", "base", "centre", "matrix", "prior"), "<f4")


def read_histories(
    paths: Mapping[str, Path], shape: tuple[int, int], components: int
) -> tuple[Liked, HistoryMap | None]:
    """What each user likes, and what makes vectors of it; None: to be learnt.

    Args:
        paths: of ``seen.npz``, and of those of the two files that the version has.
        shape: users and items.
        components: of a vector, its bias apart.

    Raises:
        ArtifactRefused: a file does not fit, or holds NaN or infinity.
    """
    found = _read_fold_in(paths[FOLD_IN], shape[1], components) if FOLD_IN in paths else None
    if LIKED in paths:
        return _read_liked(paths[LIKED], shape), found
    seen = read_npz(paths["seen.npz"], "seen.npz", SEEN_ARRAYS)
    ones = np.ones(len(seen["indices"]), np.float32)
    return Liked(seen["indptr"], seen["indices"], ones), found


def check_csr(name: str, arrays: Mapping[str, NDArray[Any]], shape: tuple[int, int]) -> None:
    """Refuses what is no CSR of so many users by items."""
    (users, items), indptr, indices = shape, arrays["indptr"], arrays["indices"]
    sound = (
        indptr.shape == (users + 1,)
        and indices.ndim == 1
        and indptr[0] == 0
        and indptr[-1] == len(indices)
        and bool((np.diff(indptr) >= 0).all())
        and bool((indices >= 0).all() and (indices < items).all())
    )
    if not sound:
        raise ArtifactRefused(name, f"not a CSR of {users} users by {items} items")


def liked_of(arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, int]) -> Liked:
    """What users like, of the arrays of ``LIKED_ARRAYS``.

    Args:
        arrays: as they were read.
        name: of the file, for a refusal.
        shape: users and items.

    Raises:
        ArtifactRefused: no CSR of this shape with weights above 0.
    """
    check_csr(name, arrays, shape)
    weights = arrays["weights"]
    sound = weights.shape == arrays["indices"].shape and np.isfinite(weights).all()
    if not (sound and (weights > 0).all()):
        raise ArtifactRefused(name, "not a weight above 0 for each item liked")
    return Liked(arrays["indptr"], arrays["indices"], weights)


def fold_in_of(
    arrays: Mapping[str, NDArray[Any]], name: str, n_items: int, components: int
) -> HistoryMap:
    """What makes a vector of a history, of the arrays of ``FOLD_IN_ARRAYS``.

    Args:
        arrays: as they were read.
        name: of the file, for a refusal.
        n_items, components: what they must fit; components without the bias.

    Raises:
        ArtifactRefused: an array of another shape, NaN or infinity.
    """
    n_means = components - arrays["base"].size
    shapes = {
        "item_scale": (n_items,),
        "base": (components - n_means,),
        "centre": (n_means,),
        "matrix": (n_means + 1, n_means),
        "prior": (),
    }
    for array, shape in shapes.items():
        if arrays[array].shape != shape or not np.isfinite(arrays[array]).all():
            raise ArtifactRefused(name, f"{array} is not {shape} finite numbers")
    if not arrays["prior"] > 0:
        raise ArtifactRefused(name, "prior is not above 0")
    return HistoryMap.from_arrays(arrays)


def _read_liked(path: Path, shape: tuple[int, int]) -> Liked:
    return liked_of(read_npz(path, LIKED, LIKED_ARRAYS), LIKED, shape)


def _read_fold_in(path: Path, n_items: int, components: int) -> HistoryMap:
    return fold_in_of(read_npz(path, FOLD_IN, FOLD_IN_ARRAYS), FOLD_IN, n_items, components)
