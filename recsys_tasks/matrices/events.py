"""What events are worth: weights by type, stars by value, repeats combined, old ones faded."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.config.settings import EventSettings, PositiveSettings
from recsys_tasks.data.tables import EventTable
from recsys_tasks.matrices.fading import faded

MICRO = 1_000_000
TOP_STARS = 5.0

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PairTable:
    """Pairs of user and item with all their events combined, in the order of (user_row, item_row)."""

    user_row: NDArray[np.int32]
    item_row: NDArray[np.int32]
    weight: NDArray[np.float32]
    """shape ``(n,)``, in [0, 1]; a pair of weight 0 is seen and nothing more."""

    is_positive: Mask
    """shape ``(n,)``; whether it may be held out for the test."""

    at: NDArray[np.int64]
    """shape ``(n,)``, seconds: of the newest event that makes the pair what it is."""

    def __len__(self) -> int:
        return len(self.user_row)


@dataclass(frozen=True)
class EventRule:
    """How events become pairs.

    Args:
        events: weights, repeats and the type held out.
        positives: thresholds of stars and the half-life.
        types: names of the types by their number.
        top_value: the value that counts as five stars.
        newest: microseconds from which age is measured.
    """

    events: EventSettings
    positives: PositiveSettings
    types: tuple[str, ...]
    top_value: float = TOP_STARS
    newest: int = 0

    @property
    def repeats(self) -> Literal["sum", "last", "max"]:
        """What repeated events are worth; without weights the last one counts, as of a star rating."""
        return self.events.repeats if self.events.weights else "last"

    def combine(self, events: EventTable) -> PairTable:
        """The pairs of whole blocks: all events of a pair are in one block.

        Source:
            the weight of an event halves with each half-life that it is older than ``newest``; sums
            are cut off at 1, the weight of a full positive.
        """
        weight, strong = self._worth(events)
        weight = faded(weight, (self.newest - events.at) // MICRO, self.positives.half_life_days)
        starts = _starts(events)
        if not len(starts):
            nothing = np.empty(0)
            return PairTable(events.user_row, events.item_row, nothing.astype(np.float32),
                             nothing.astype(np.bool_), nothing.astype(np.int64))  # fmt: skip
        if self.repeats == "last":
            newest = np.maximum.reduceat(events.at, starts)
            is_last = events.at == np.repeat(newest, np.diff(starts, append=len(events)))
            weight, strong = np.where(is_last, weight, 0.0), strong & is_last
        add = np.add if self.repeats == "sum" else np.maximum
        combined = np.minimum(add.reduceat(weight, starts), 1.0).astype(np.float32)
        positive = np.logical_or.reduceat(strong, starts)
        rank = np.where(strong, 2, np.where(weight > 0, 1, 0))
        return PairTable(
            events.user_row[starts],
            events.item_row[starts],
            combined,
            positive,
            _newest_of_best(events.at, rank, starts) // MICRO,
        )

    def _worth(self, events: EventTable) -> tuple[NDArray[np.float64], Mask]:
        """Weight of each event, in [0, 1], and whether it is a full positive."""
        held_out = self.events.held_out_types
        if self.events.weights:
            by_type = np.array([self.events.weights.get(name, 0.0) for name in self.types])
            weight = by_type[events.type]
            tested = np.array([name in held_out for name in self.types], np.bool_)
            return weight, tested[events.type] & (weight > 0)
        weight, strong = self._by_stars(events.value)
        if self.events.held_out:
            strong &= np.array([name in held_out for name in self.types], np.bool_)[events.type]
        return weight, strong

    def _by_stars(self, value: NDArray[np.float64]) -> tuple[NDArray[np.float64], Mask]:
        """By the thresholds of star ratings; an event without a value counts fully."""
        wanted, stars = self.positives, np.round(value / self.top_value * TOP_STARS, 9)
        strong = np.isnan(stars) | (stars >= wanted.threshold)
        weak = (stars >= wanted.weak_threshold) & ~strong
        return np.where(strong, 1.0, np.where(weak, wanted.weak_weight, 0.0)), strong


class WholePairs:
    """Cuts a stream of blocks so that all events of a pair are in one block."""

    def __init__(self) -> None:
        self._rest: EventTable | None = None

    def add(self, block: EventTable) -> EventTable:
        """What is complete by now: everything but the last pair, which may go on."""
        whole = block if self._rest is None else self._rest.followed_by(block)
        starts = _starts(whole)
        last = int(starts[-1]) if len(starts) else 0
        self._rest = whole.cut(last)
        return whole.cut(0, last)

    def finish(self) -> EventTable | None:
        """The last pair; None: there was no block."""
        return self._rest


def _starts(events: EventTable) -> NDArray[np.intp]:
    """Places at which a pair's events begin."""
    user, item = events.user_row, events.item_row
    changes = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
    return np.flatnonzero(np.concatenate(([len(user) > 0], changes)))[: len(user)]


def _newest_of_best(
    at: NDArray[np.int64], rank: NDArray[np.int64], starts: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Of each pair, the newest moment among its events of the highest rank."""
    best = np.repeat(np.maximum.reduceat(rank, starts), np.diff(starts, append=len(at)))
    moments = np.where(rank == best, at, np.iinfo(np.int64).min)
    return np.asarray(np.maximum.reduceat(moments, starts))
