"""Reads the events of a CSV file: plain rows a column at a time, all others one by one with a reason.

What is not plainly right goes to ``_judge``, which alone says whether and why a row is rejected.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.blocks import Block
from recsys_tasks.data.csv.header import Header
from recsys_tasks.data.csv.integers import read_decimals
from recsys_tasks.data.csv.ratings import cut_fields
from recsys_tasks.data.csv.rows import Fault, SwallowedLinesError, refuse_swallowed, row_fields
from recsys_tasks.data.events import fields
from recsys_tasks.data.events.moments import read_moments
from recsys_tasks.data.events.rows import ONE_TYPE, EventRows, Taken
from recsys_tasks.data.load.rejected_rows import RejectedRow

Judged = tuple[bytes, bytes, bytes, float, int]
"""User, item, type, value, microseconds."""

BLANKS = b" \t"


class EventsReader:
    """Reads blocks of one events file.

    Args:
        header: where the columns are.
        source: how fields are written.
        types: the types of event that have a weight; empty: any.
        latest: microseconds of the load; no event is later.
    """

    def __init__(
        self, header: Header, source: SourceSettings, types: frozenset[str], latest: int
    ) -> None:
        self._header, self._source, self._latest = header, source, latest
        self._types, self._plain_types = types, frozenset(name.encode() for name in types)
        self._per_second = 1000 if source.time_unit == "ms" else 1

    def read(self, block: Block) -> Taken:
        """The block's good rows and those that are rejected; blank lines are neither.

        Raises:
            InputRejected: a stray quote takes in several lines.
        """
        fast, odd = self._read_plain(block)
        slow: list[tuple[Judged, int]] = []
        rejected: list[RejectedRow] = []
        for index in odd:
            record, line = block.record(index), int(block.lines[index])
            if not record.strip():
                continue
            try:
                slow.append((self._judge(record), line))
            except SwallowedLinesError as problem:
                raise refuse_swallowed(self._header.file, line, record, problem) from None
            except Fault as fault:
                rejected.append(RejectedRow(line, str(fault), record))
        return Taken(_in_order(fast, slow), rejected)

    def _read_plain(self, block: Block) -> tuple[EventRows, NDArray[np.intp]]:
        """Rows whose every field is plainly right, and the indices of all other records."""
        at, octets = self._header.positions, block.octets
        regular, starts, ends = cut_fields(block, ord(self._source.separator), self._header.width)
        good = self._unquote(block, regular, starts, ends)
        moments, good_time = read_moments(
            octets, starts[at["time"]], ends[at["time"]], self._per_second, self._latest
        )
        good &= good_time
        for part in ("user", "item"):
            good &= _plain_ids(octets, starts[at[part]], ends[at[part]])
        if "type" in at:
            good &= _without_blanks(octets, starts[at["type"]], ends[at["type"]])
        value, good_value = self._plain_values(octets, starts, ends)
        good &= good_value
        chosen = np.flatnonzero(good)
        text = octets.tobytes()
        types = self._cut(text, "type", starts, ends, chosen)
        if self._plain_types and not self._plain_types.issuperset(types):
            known = [name in self._plain_types for name in types]
            chosen = chosen[np.array(known, np.bool_)]
            types = self._cut(text, "type", starts, ends, chosen)
        passed = np.zeros(len(block), np.bool_)
        passed[regular[chosen]] = True
        rows = EventRows(
            user=self._cut(text, "user", starts, ends, chosen),
            item=self._cut(text, "item", starts, ends, chosen),
            type=types,
            value=value[chosen],
            at=moments[chosen],
            line=block.lines[regular[chosen]],
        )
        return rows, np.flatnonzero(~passed)

    def _plain_values(
        self,
        octets: NDArray[np.uint8],
        starts: list[NDArray[np.int64]],
        ends: list[NDArray[np.int64]],
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Values, NaN where a field is empty, and which fields are empty or plain numbers."""
        place = self._header.positions.get("value")
        if place is None:
            count = len(starts[0])
            return np.full(count, np.nan), np.ones(count, np.bool_)
        start, end = starts[place], ends[place]
        value, good = read_decimals(octets, start, end, ord(self._source.decimal))
        is_empty = start == end
        return np.where(is_empty, np.nan, value), good | is_empty

    def _cut(
        self,
        text: bytes,
        part: str,
        starts: list[NDArray[np.int64]],
        ends: list[NDArray[np.int64]],
        chosen: NDArray[np.intp],
    ) -> list[bytes]:
        """One column of the chosen rows."""
        place = self._header.positions.get(part)
        if place is None:
            return [ONE_TYPE.encode()] * len(chosen)
        bounds = zip(starts[place][chosen].tolist(), ends[place][chosen].tolist(), strict=True)
        return [text[start:end] for start, end in bounds]

    def _unquote(
        self,
        block: Block,
        regular: NDArray[np.int64],
        starts: list[NDArray[np.int64]],
        ends: list[NDArray[np.int64]],
    ) -> NDArray[np.bool_]:
        """Takes quotes around whole fields off, in place; which records hold no other quote."""
        quote, octets = ord(self._source.quote), block.octets
        places = np.flatnonzero(octets == quote)
        if not len(places):
            return np.ones(len(regular), np.bool_)
        first, last = block.starts[regular], block.ends[regular]
        held = np.searchsorted(places, last) - np.searchsorted(places, first)
        for field in range(len(starts)):
            start, end = starts[field], ends[field]
            long = end - start >= 2
            around = long & (octets[start] == quote) & (octets[np.maximum(end - 1, 0)] == quote)
            starts[field], ends[field] = start + around, end - around
            held -= 2 * around
        return np.asarray(held == 0)

    def _judge(self, record: str) -> Judged:
        """One record's event.

        Raises:
            Fault: the row is to be rejected.
        """
        source, at = self._source, self._header.positions
        columns = source.event_columns
        found = row_fields(record, source, self._header.width)
        user = fields.judge_id(found[at["user"]], columns.user)
        item = fields.judge_id(found[at["item"]], columns.item)
        kind = found[at["type"]] if "type" in at else ONE_TYPE
        event = fields.judge_type(kind, columns.type, self._types)
        value = found[at["value"]] if "value" in at else ""
        number = fields.judge_value(value, columns.value, source.decimal)
        moment = fields.judge_time(found[at["time"]], columns.time, self._per_second, self._latest)
        return user, item, event, number, moment


def _plain_ids(
    octets: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which fields are ids that need no second look: no blank at the start, no NUL, not too long.

    A NUL is looked for in the whole block: one sends every row to the slow way.
    """
    length = ends - starts
    good = (length >= 1) & (length <= fields.MAX_ID_BYTES)
    first = octets[np.minimum(starts, len(octets) - 1)]
    good &= (first > 32) & (first < 128)
    return good & (not (octets == 0).any())


def _without_blanks(
    octets: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which fields hold something and neither begin nor end with a blank or a sign beyond ASCII."""
    good = (ends > starts) & (ends - starts <= fields.MAX_TYPE_BYTES)
    for places in (starts, ends - 1):
        sign = octets[np.clip(places, 0, len(octets) - 1)]
        good &= (sign > 32) & (sign < 128)
    return good


def _in_order(fast: EventRows, slow: Sequence[tuple[Judged, int]]) -> EventRows:
    """The good rows of both ways, in the file's order."""
    if not slow:
        return fast
    line = np.concatenate((fast.line, np.array([at for _, at in slow], np.int64)))
    order = np.argsort(line, kind="stable")
    places = order.tolist()
    user = [*fast.user, *(row[0] for row, _ in slow)]
    item = [*fast.item, *(row[1] for row, _ in slow)]
    kind = [*fast.type, *(row[2] for row, _ in slow)]
    value = np.concatenate((fast.value, [row[3] for row, _ in slow]))
    moment = np.concatenate((fast.at, np.array([row[4] for row, _ in slow], np.int64)))
    return EventRows(
        [user[place] for place in places],
        [item[place] for place in places],
        [kind[place] for place in places],
        value[order],
        moment[order],
        line[order],
    )
