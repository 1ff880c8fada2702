"""Builds parts of interactions, and counts, from events that are read in blocks.

It takes memory for the users' ids and one part.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.ids import whole_number
from recsys_tasks.data.tables import TENTHS, EventTable, EventTally
from recsys_tasks.matrices.days import added, by_day
from recsys_tasks.matrices.events import EventRule, WholePairs
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.matrices.interactions_builder import NEVER, StreamedInteractions
from recsys_tasks.matrices.parts_writer import Chunk, PartsWriter

NONE_YET = -1
MICROSECONDS = 1_000_000
"""Of a second."""


class EventsBuilder:
    """Takes a table's blocks one after the other.

    Args:
        item_rows: int64, ascending: the dictionary's rows of the catalogue, in the order of columns.
        rule: what events are worth.
        writer: of the parts.
    """

    def __init__(self, item_rows: NDArray[np.int64], rule: EventRule, writer: PartsWriter) -> None:
        self._writer = writer
        self._rule, self._pairs, self._items = rule, WholePairs(), len(item_rows)
        self._column = np.full(int(item_rows.max(initial=NONE_YET)) + 1, NONE_YET, np.int32)
        self._column[item_rows] = np.arange(len(item_rows), dtype=np.int32)
        self._keys, self._counts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        self._per_day = np.zeros(0, np.int64)
        self._types = np.zeros(len(rule.types), np.int64)
        self._has_event = np.zeros(len(item_rows), np.bool_)
        self._n_users, self._last_user = 0, NONE_YET
        self._oldest, self._newest, self._positives = NEVER, 0, 0

    def take(self, block: EventTable) -> None:
        """Takes the next events of a table that is ordered by (user_row, item_row)."""
        self._types += np.bincount(block.type, minlength=len(self._types))
        self._per_day = added(self._per_day, by_day(block.at // MICROSECONDS))
        self._oldest = min(self._oldest, int(block.at.min(initial=NEVER)))
        self._newest = max(self._newest, int(block.at.max(initial=0)))
        self._keep(self._pairs.add(block))

    def finish(self, user_ids: Sequence[str]) -> StreamedInteractions:
        """Everything that was taken.

        Args:
            user_ids: the id of every user of the dictionary, in the order of its rows.
        """
        if (rest := self._pairs.finish()) is not None:
            self._keep(rest)
        keys = np.concatenate(self._keys)
        users = id_map([user_ids[key] for key in keys.tolist()], keys)
        return StreamedInteractions(users, self._writer.finish(), self._tally())

    def _tally(self) -> EventTally:
        """Numbers about all events."""
        named = zip(self._rule.types, self._types.tolist(), strict=True)
        return EventTally(
            per_user=np.concatenate(self._counts),
            per_tenth=np.zeros(TENTHS, np.int64),
            per_day=self._per_day,
            movies=self._items,
            rated_movies=int(self._has_event.sum()),
            oldest=min(self._oldest, self._newest) // MICROSECONDS,
            newest=self._newest // MICROSECONDS,
            positives=self._positives,
            types={name: count for name, count in named if count},
        )

    def _keep(self, events: EventTable) -> None:
        """Keeps users, counts and interactions of whole pairs."""
        pairs = self._rule.combine(events)
        rows = self._rows_of_users(pairs.user_row)
        columns = self._column[pairs.item_row]
        self._has_event[columns] = True
        self._positives += int(pairs.is_positive.sum())
        found = np.flatnonzero(pairs.weight > 0)
        shape = (self._n_users, self._items)
        own = Interactions(
            shape,
            rows[found],
            columns[found],
            pairs.weight[found],
            pairs.is_positive[found],
            pairs.at[found],
        )
        self._writer.add(Chunk(rows, columns, own))

    def _rows_of_users(self, keys: NDArray[np.int32]) -> NDArray[np.int32]:
        """The row of each pair's user; the first may be the last block's last one."""
        starts = np.flatnonzero(np.diff(keys, prepend=NONE_YET))
        users, counts = keys[starts].astype(np.int64), np.diff(starts, append=len(keys))
        goes_on = int(len(users) > 0 and users[0] == self._last_user)
        rows = np.repeat(np.arange(len(users), dtype=np.int32), counts)
        rows += np.int32(self._n_users - goes_on)
        if goes_on:
            self._counts[-1][-1] += counts[0]
        if len(users) > goes_on:
            self._keys.append(users[goes_on:])
            self._counts.append(counts[goes_on:])
            self._n_users += len(users) - goes_on
            self._last_user = int(users[-1])
        return rows


def id_map(ids: list[str], keys: NDArray[np.int64]) -> IdMap:
    """The id map of a dictionary's rows.

    Args:
        ids: of the rows ``keys``; numbers where all are whole numbers, else bytes of fixed width.
        keys: int64, ascending.
    """
    numbers = [whole_number(text) for text in ids]
    if all(number is not None for number in numbers):
        return IdMap(np.array(numbers, np.int64), keys)
    return IdMap(np.array([text.encode() for text in ids], np.bytes_), keys)
