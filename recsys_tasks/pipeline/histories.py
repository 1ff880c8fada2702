"""What each user was trained on, as weighted histories by part: what the closed form is fitted on."""

from dataclasses import dataclass
from operator import add
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys_tasks.artifacts.arrays import read_npz
from recsys_tasks.artifacts.histories import LIKED_ARRAYS
from recsys_tasks.artifacts.history_map import SumPart
from recsys_tasks.evaluation.served import liked_of
from recsys_tasks.matrices.interactions import Csr
from recsys_tasks.matrices.parts import Threads, map_parts
from recsys_tasks.model.engines.gram import project
from recsys_tasks.pipeline.run_parts import RunSplit, SplitPart

Floats = NDArray[np.float32]

TrainedOn = Literal["train", "train_and_validation", "everything"]
"""What a model is fitted on."""


def trained_on(refit: bool) -> TrainedOn:
    """What the judged model is fitted on, with the validation part or without it."""
    return "train_and_validation" if refit else "train"


@dataclass(frozen=True)
class Histories:
    """Histories in a folder, by part.

    Args:
        paths: a file for each part, with the arrays of ``liked.npz``.
        n_items: items of the catalogue.
    """

    paths: tuple[Path, ...]
    n_items: int

    def __len__(self) -> int:
        """How many parts there are."""
        return len(self.paths)

    def read(self, number: int) -> Csr:
        """One part's, CSR float32 ``(n_users, n_items)``, its weights and items mapped."""
        path = self.paths[number]
        arrays = read_npz(path, path.name, LIKED_ARRAYS)
        shape = (len(arrays["indptr"]) - 1, self.n_items)
        parts = (arrays["weights"], arrays["indices"], arrays["indptr"])
        history: Csr = sp.csr_matrix(parts, shape=shape)
        history.has_canonical_format = True  # sorted, each pair once
        return history


def write_histories(split: RunSplit, which: TrainedOn, threads: int = 1) -> Histories:
    """Writes the histories that a model is fitted on beside the parts themselves.

    Args:
        split: of a run.
        which: of its interactions.
        threads: parts that are worked on at a time.
    """
    folder = split.parts.folder / which
    folder.mkdir(exist_ok=True)
    paths = map_parts(_write, split, add, Threads(threads), folder, which)
    return Histories(tuple(paths), split.parts.n_items)


def _write(part: SplitPart, folder: Path, which: TrainedOn) -> list[Path]:
    path = folder / f"{part.part.first:012}.npz"
    if which == "everything":
        liked = liked_of(part.part.interactions())
    else:
        liked = liked_of(part.split.trained_on(which == "train_and_validation"))
    np.savez(path, allow_pickle=False, **vars(liked))
    return [path]


def vectors_of(history: Csr, sums: SumPart, items: Floats, threads: int = 1) -> Floats:
    """Vectors of users that are sums over their histories, float32 ``(n_users, d)``.

    Args:
        history: CSR float32 ``(n_users, n_items)``.
        sums: of the model.
        items: float32, the first ``d`` columns of the items' vectors.
        threads: the bytes do not depend on them.
    """
    vectors = project(history, sums.item_scale[:, None] * items, threads)
    vectors += sums.base
    return vectors
