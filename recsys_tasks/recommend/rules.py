"""What of a version may be shown now: its items' periods and the dataset's policy."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.ids import Id
from recsys_tasks.artifacts.policy import NO_POLICY, Policy
from recsys_tasks.artifacts.reader import Artifacts
from recsys_tasks.recommend.filters import Mask, items_mask
from recsys_tasks.recommend.search import Choice, Ranked, best_rows

EVER = 2**62
"""A moment that no item's period ends before."""

PLACES = 10
"""A boost of 1 lifts an item by the distance between the first and this place of a list."""


@dataclass(frozen=True, eq=False)
class Boosts:
    """Items whose scores are lifted or lowered.

    Args:
        rows: int64 ``(n,)``, each once.
        shares: float64 ``(n,)``, in [-1, 1].
    """

    rows: NDArray[np.int64]
    shares: NDArray[np.float64]


NO_BOOSTS = Boosts(np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, eq=False)
class Rules:
    """The rules of one version under one policy.

    Args:
        artifacts: the version.
        policy: of its dataset.
        sha256: of the policy's bytes; None: there is no policy.
        now: epoch seconds.
    """

    artifacts: Artifacts
    policy: Policy = NO_POLICY
    sha256: str | None = None
    now: Callable[[], float] = time.time

    def mask(self, user_id: Id | None = None) -> Mask | None:
        """Which items may be shown to a user, or to anybody, bool ``(n_items,)``; None: all."""
        masks = [self._for_all, self._available(), *self._for_user(user_id)]
        given = [mask for mask in masks if mask is not None]
        return np.logical_and.reduce(given) if given else None

    @cached_property
    def boosts(self) -> "Boosts":
        """The items that the policy lifts or lowers."""
        found = {
            row: boost
            for item, boost in self.policy.boosts.items()
            if boost and (row := self.artifacts.items_by_id.row(item)) >= 0
        }
        return Boosts(np.array(list(found), np.int64), np.array(list(found.values()), np.float64))

    @cached_property
    def _for_all(self) -> Mask | None:
        hidden, allowed = self.policy.hidden_items, self.policy.allowed_items
        if not hidden and allowed is None:
            return None
        shown = ~items_mask(self.artifacts, hidden)
        return shown if allowed is None else shown & items_mask(self.artifacts, allowed)

    def _for_user(self, user_id: Id | None) -> list[Mask]:
        user, policy = str(user_id), self.policy
        masks = []
        if hidden := policy.hidden_from_users.get(user):
            masks.append(~items_mask(self.artifacts, hidden))
        if (allowed := policy.allowed_for_users.get(user)) is not None:
            masks.append(items_mask(self.artifacts, allowed))
        return masks if user_id is not None else []

    @cached_property
    def _periods(self) -> NDArray[np.int64] | None:
        """Begin and end of each item's period, ``(n_items, 2)``; None: no item has one."""
        periods = [item.available for item in self.artifacts.items]
        if not any(moment is not None for period in periods for moment in period):
            return None
        return np.array(
            [
                (-EVER if begins is None else begins, EVER if ends is None else ends)
                for begins, ends in periods
            ],
            np.int64,
        )

    def _available(self) -> Mask | None:
        if self._periods is None:
            return None
        now = self.now()
        return (self._periods[:, 0] <= now) & (now < self._periods[:, 1])


def boosted_rows(
    artifacts: Artifacts,
    vector: NDArray[np.float32],
    k: int,
    excluded: list[int],
    choice: Choice,
    exact: bool,
    boosts: Boosts,
) -> Ranked:
    """As ``best_rows``, by score and boost: a boost of 1 is the distance between first and tenth place."""
    if not len(boosts.rows):
        return best_rows(artifacts, vector, k, excluded, choice, exact)
    wanted = max(k, PLACES) + len(boosts.rows)
    rows, scores = best_rows(artifacts, vector, wanted, excluded, choice, exact)
    listed = np.zeros(len(artifacts.item_ids), np.bool_)
    listed[boosts.rows] = True
    lifted = best_rows(artifacts, vector, len(boosts.rows), excluded, choice & listed, exact=True)
    rows = np.concatenate((rows, lifted.rows))
    rows, first = np.unique(rows, return_index=True)
    found = np.concatenate((scores, lifted.scores))[first]
    by_row = np.zeros(len(artifacts.item_ids))
    by_row[boosts.rows] = boosts.shares
    found = found + by_row[rows] * _distance(scores)
    best = np.lexsort((rows, -found))[:k]
    return Ranked(rows[best], found[best])


def _distance(scores: NDArray[np.float64]) -> float:
    """Between the first and the tenth, or last, of scores in falling order."""
    return float(scores[0] - scores[:PLACES][-1]) if len(scores) else 0.0
