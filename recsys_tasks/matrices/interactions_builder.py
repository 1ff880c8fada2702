"""Builds parts of interactions, and counts, from ratings that are read in blocks.

It takes memory for the users' ids and one part. The parts joined equal what ``build_id_maps``,
``build_interactions`` and ``build_seen`` make of the whole table.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.config.settings import PositiveSettings
from recsys_tasks.data.tables import TENTHS, RatingTable, RatingTally
from recsys_tasks.errors import DataCheckFailed
from recsys_tasks.matrices.days import added, by_day
from recsys_tasks.matrices.fading import faded
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import build_interactions
from recsys_tasks.matrices.parts import PartFacts
from recsys_tasks.matrices.parts_writer import Chunk, PartsWriter

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class StreamedInteractions:
    """What is kept of all ratings.

    Args:
        users: those who have rated, in the order of their ids.
        parts: what was written of the ratings, in the table's order.
        tally: numbers about all ratings.
    """

    users: IdMap
    parts: tuple[PartFacts, ...]
    tally: RatingTally


class InteractionsBuilder:
    """Takes a table's blocks one after the other.

    Args:
        items: every movie of the catalogue.
        positives: which ratings count as positive, and how much.
        writer: of the parts.
        newest: Unix seconds from which the age of a rating is measured, where old ones fade.
    """

    def __init__(
        self, items: IdMap, positives: PositiveSettings, writer: PartsWriter, newest: int = 0
    ) -> None:
        self._items, self._positives, self._writer = items, positives, writer
        self._fade_from = newest
        self._ids, self._counts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        self._per_tenth = np.zeros(TENTHS, np.int64)
        self._per_day = np.zeros(0, np.int64)
        self._rated = np.zeros(len(items), np.bool_)
        self._n_users, self._last_user = 0, -1
        self._oldest, self._newest = NEVER, 0

    def take(self, block: RatingTable) -> None:
        """Takes the next rows of a table that is ordered by (user_id, movie_id).

        Raises:
            NotFound: a movie is not in the catalogue.
        """
        rows = self._items.rows_of(block.movie_id)
        self._rated[rows] = True
        self._per_tenth += np.bincount(_tenths(block), minlength=TENTHS)
        self._per_day = added(self._per_day, by_day(block.rated_at))
        self._oldest = int(block.rated_at.min(initial=self._oldest))
        self._newest = int(block.rated_at.max(initial=self._newest))
        self._keep(block, rows, _first_of_each(block.user_id))

    def finish(self) -> StreamedInteractions:
        """Everything that was taken.

        Raises:
            DataCheckFailed: the blocks were not in the order of user ids.
        """
        users = IdMap(_ascending(np.concatenate(self._ids)))
        tally = RatingTally(
            per_user=np.concatenate(self._counts),
            per_tenth=self._per_tenth,
            per_day=self._per_day,
            movies=len(self._items),
            rated_movies=int(self._rated.sum()),
            oldest=min(self._oldest, self._newest),
            newest=self._newest,
        )
        return StreamedInteractions(users, self._writer.finish(), tally)

    def _keep(self, block: RatingTable, items: NDArray[np.int32], starts: NDArray[np.intp]) -> None:
        """Keeps users, counts and interactions; the first user may be the last block's last one."""
        ids, counts = block.user_id[starts], np.diff(starts, append=len(block))
        goes_on = int(len(ids) > 0 and ids[0] == self._last_user)
        found = build_interactions(block, IdMap(ids), self._items, self._positives)
        first = np.int32(self._n_users - goes_on)
        users = np.repeat(np.arange(len(ids), dtype=np.int32), counts) + first
        weight = faded(
            found.weight, self._fade_from - found.rated_at, self._positives.half_life_days
        )
        found = replace(found, row=found.row + first, weight=weight.astype(np.float32, copy=False))
        self._writer.add(Chunk(users, items, found))
        if goes_on:
            self._counts[-1][-1] += counts[0]
        if len(ids) > goes_on:
            self._ids.append(ids[goes_on:])
            self._counts.append(counts[goes_on:])
            self._n_users, self._last_user = self._n_users + len(ids) - goes_on, int(ids[-1])


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
