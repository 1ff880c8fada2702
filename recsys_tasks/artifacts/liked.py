"""Which items each user likes, as one sparse matrix without values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Liked:
    """What each user likes, as CSR: the rows of items of user ``u`` are
    ``indices[indptr[u]:indptr[u + 1]]``, ascending.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]

    def of(self, user: int | np.integer) -> NDArray[np.int32]:
        """The rows of the items that a user likes."""
        return self.indices[self.indptr[user] : self.indptr[user + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many items each user likes."""
        return np.diff(self.indptr)
