"""``user_metrics.npz``: what a version measured for each user of its test part, for comparisons later.

A mean says nothing of who it was taken over. With one value a user, two versions can be compared on
the users whom both measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.arrays import IDS, read_npz
from recsys_tasks.artifacts.ids import Ids

NAME = "user_metrics.npz"

METRICS = ("precision_at_5", "recall_at_10", "ndcg_at_10", "mrr", "auc")
"""Metrics that are kept, as served."""

DTYPES = {"training_positives": "<i4"} | dict.fromkeys(METRICS, "<f4")


@dataclass(frozen=True, eq=False)
class UserMetrics:
    """The users of a version's test part.

    Args:
        ids: ``(n,)``, external ids in the order of rows.
        training_positives: int32 ``(n,)``, what each had liked in the part that was trained on.
        values: float32 ``(n,)`` by the metric's name, as served.
    """

    ids: Ids
    training_positives: NDArray[np.int32]
    values: Mapping[str, NDArray[np.float32]]

    def save(self, folder: Path) -> None:
        """Writes the file; the same values give the same bytes."""
        arrays: dict[str, Any] = {name: self.values[name] for name in METRICS}
        arrays["training_positives"] = self.training_positives
        kept = {name: np.ascontiguousarray(arrays[name], dtype) for name, dtype in DTYPES.items()}
        np.savez(folder / NAME, allow_pickle=False, users=np.asarray(self.ids), **kept)

    @classmethod
    def load(cls, path: Path) -> "UserMetrics":
        """What the file holds.

        Raises:
            ArtifactRefused: other arrays, or arrays of another kind.
        """
        arrays = read_npz(path, NAME, DTYPES | {"users": IDS})
        values = {name: arrays[name] for name in METRICS}
        return cls(arrays["users"], arrays["training_positives"], values)
