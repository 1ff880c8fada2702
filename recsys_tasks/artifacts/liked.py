"""Which items each user likes, and how much, as one sparse matrix."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Liked:
    """What each user likes, as CSR: user ``u`` owns ``indptr[u]:indptr[u + 1]`` of the other two.

    Args:
        indptr: int64 ``(n_users + 1,)``.
        indices: int32; rows of items, ascending for each user.
        weights: float32; how much each counts, as in training.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weights: NDArray[np.float32]

    def of(self, user: int | np.integer) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The rows of the items that a user likes, and their weights."""
        own = slice(self.indptr[user], self.indptr[user + 1])
        return self.indices[own], self.weights[own]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many items each user likes."""
        return np.diff(self.indptr)
