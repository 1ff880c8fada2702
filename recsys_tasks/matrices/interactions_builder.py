"""Builds interactions, seen items and counts from ratings that are read in blocks.

It takes memory for the positives and the ids, not for the ratings. What is gathered equals what
``build_id_maps``, ``build_interactions`` and ``build_seen`` make of the whole table.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.config.settings import PositiveSettings
from recsys_tasks.data.tables import TENTHS, RatingTable, RatingTally
from recsys_tasks.errors import DataCheckFailed
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import Arrays, Interactions, build_interactions

COLUMNS = tuple(field.name for field in fields(Interactions) if field.name != "shape")
NEVER = np.iinfo(np.int64).max
GROWTH = 8
"""An array that is full grows by this part of its length."""


@dataclass(frozen=True, eq=False)
class StreamedInteractions:
    """What is kept of all ratings.

    Args:
        users: those who have rated, in the order of their ids.
        interactions: what counts as positive, in the table's order.
        tally: numbers about all ratings.
    """

    users: IdMap
    interactions: Interactions
    tally: RatingTally

    @property
    def seen_indptr(self) -> NDArray[np.int64]:
        """shape ``(n_users + 1,)``: where each user's rated items begin, all of them in a row."""
        return np.concatenate(([0], np.cumsum(self.tally.per_user)))


class InteractionsBuilder:
    """Takes a table's blocks one after the other.

    Args:
        items: every movie of the catalogue.
        positives: which ratings count as positive, and how much.
    """

    def __init__(self, items: IdMap, positives: PositiveSettings) -> None:
        self._items, self._positives = items, positives
        self._ids, self._counts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        self._columns: dict[str, Growing] = {}
        self._per_tenth = np.zeros(TENTHS, np.int64)
        self._rated = np.zeros(len(items), np.bool_)
        self._n_users, self._last_user = 0, -1
        self._oldest, self._newest = NEVER, 0

    def take(self, block: RatingTable) -> NDArray[np.int32]:
        """Takes the next rows of a table that is ordered by (user_id, movie_id).

        Returns:
            int32, shape ``(len(block),)``: the row of each rating's item, the next stretch of the
            CSR of everything rated.

        Raises:
            NotFound: a movie is not in the catalogue.
        """
        rows = self._items.rows_of(block.movie_id)
        self._rated[rows] = True
        self._per_tenth += np.bincount(_tenths(block), minlength=TENTHS)
        self._oldest = int(block.rated_at.min(initial=self._oldest))
        self._newest = int(block.rated_at.max(initial=self._newest))
        self._keep(block, _first_of_each(block.user_id))
        return rows

    def finish(self) -> StreamedInteractions:
        """Everything that was taken.

        Raises:
            DataCheckFailed: the blocks were not in the order of user ids.
        """
        users = IdMap(_ascending(np.concatenate(self._ids)))
        shape = np.array((len(users), len(self._items)), dtype=np.int64)
        columns: Arrays = {name: column.whole() for name, column in self._columns.items()}
        tally = RatingTally(
            per_user=np.concatenate(self._counts),
            per_tenth=self._per_tenth,
            movies=len(self._items),
            rated_movies=int(self._rated.sum()),
            oldest=min(self._oldest, self._newest),
            newest=self._newest,
        )
        return StreamedInteractions(
            users, Interactions.from_arrays({"shape": shape} | columns), tally
        )

    def _keep(self, block: RatingTable, starts: NDArray[np.intp]) -> None:
        """Keeps users, counts and interactions; the first user may be the last block's last one."""
        ids, counts = block.user_id[starts], np.diff(starts, append=len(block))
        goes_on = int(len(ids) > 0 and ids[0] == self._last_user)
        found = build_interactions(block, IdMap(ids), self._items, self._positives)
        shifted = {"row": found.row + np.int32(self._n_users - goes_on)}
        for name in COLUMNS:
            part = shifted.get(name, getattr(found, name))
            self._columns.setdefault(name, Growing(part.dtype)).add(part)
        if goes_on:
            self._counts[-1][-1] += counts[0]
        if len(ids) > goes_on:
            self._ids.append(ids[goes_on:])
            self._counts.append(counts[goes_on:])
            self._n_users, self._last_user = self._n_users + len(ids) - goes_on, int(ids[-1])


class Growing:
    """An array that parts are added to, made larger in place: there is never a second copy of it.

    Args:
        dtype: of the parts.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._array, self._length = np.empty(0, dtype), 0

    def add(self, part: NDArray[Any]) -> None:
        """Puts a part behind the others."""
        length = self._length + len(part)
        if length > len(self._array):
            self._array.resize(length + length // GROWTH, refcheck=False)
        self._array[self._length : length] = part
        self._length = length

    def whole(self) -> NDArray[Any]:
        """All parts; nothing can be added any more."""
        self._array.resize(self._length, refcheck=False)
        return self._array


def _ascending(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    if (np.diff(ids) <= 0).any():
        raise DataCheckFailed(("user ids must come in ascending order, without repeats",))
    return ids


def _first_of_each(user_id: NDArray[np.int64]) -> NDArray[np.intp]:
    """Places at which a user's ratings begin."""
    return np.flatnonzero(np.diff(user_id, prepend=-1))


def _tenths(block: RatingTable) -> NDArray[np.intp]:
    tenths: NDArray[np.intp] = np.rint(block.rating * np.float32(10)).astype(np.intp)
    return tenths
