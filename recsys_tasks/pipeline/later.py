"""What users liked after a moment: read apart from what a back-test trains on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.pipeline.known import KnownData


@dataclass(frozen=True, eq=False)
class Later:
    """Every positive of the dataset as it is known now, by external ids."""

    users: NDArray[Any]
    """shape ``(n,)``, external ids"""
    items: NDArray[Any]
    rated_at: NDArray[np.int64]
    """Unix seconds"""
    files: tuple[str, ...]
    """sha256 of the files that they came from"""

    @classmethod
    def of(cls, whole: KnownData) -> "Later":
        """Of a reading of the tables."""
        liked = whole.interactions.positives()
        users, items = whole.users.ids[liked.row], whole.items.ids[liked.col]
        return cls(users, items, liked.rated_at, whole.files)

    def window(self, known: KnownData, begin: int, end: int) -> tuple[Interactions, int]:
        """The positives of a window that a reading's users could be asked for.

        Args:
            known: the reading; what it has of a user is not asked again.
            begin, end: Unix seconds; the window is later than the first, up to the second.

        Returns:
            the positives in the reading's rows; how many are of users or items that it lacks.
        """
        inside = np.flatnonzero((self.rated_at > begin) & (self.rated_at <= end))
        users, items = self.users[inside], self.items[inside]
        both = known.users.known(users) & known.items.known(items)
        row = known.users.rows_of(users[both])
        col = known.items.rows_of(items[both])
        fresh = np.asarray(known.seen[row, col]).ravel() == 0 if len(row) else np.zeros(0, np.bool_)
        count = int(fresh.sum())
        asked = Interactions(
            (len(known.users), len(known.items)),
            row[fresh],
            col[fresh],
            np.ones(count, np.float32),
            np.ones(count, np.bool_),
            self.rated_at[inside][both][fresh],
        )
        return asked, int(len(both) - both.sum())

    def span(self) -> str:
        """From when to when they go, in words."""
        if not len(self.rated_at):
            return "there is no positive up to then"
        ends = (datetime.fromtimestamp(int(end(self.rated_at)), UTC) for end in (np.min, np.max))
        return "the positives up to then go from {:%Y-%m-%d} to {:%Y-%m-%d}".format(*ends)
