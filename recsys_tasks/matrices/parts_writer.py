"""Writes interactions as parts while they are read: one file for each range of users."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.matrices.parts import Part, PartFacts

KEPT = ("col", "weight", "is_positive", "rated_at")


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some users' rows in the order of user and item.

    Args:
        users: int32 ``(n,)``, the user's row of each rating, ascending.
        items: int32 ``(n,)``, the item's row of each.
        interactions: those of the ratings that count as positive, with the users' rows among all.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    interactions: Interactions

    def cut(self, place: int) -> tuple["Chunk", "Chunk"]:
        """Before and from a place on at which a user begins."""
        found = self.interactions
        at = np.searchsorted(found.row, self.users[place - 1], side="right") if place else 0
        before, after = (found.take(slice(*ends)) for ends in ((0, at), (at, None)))
        return (
            Chunk(self.users[:place], self.items[:place], before),
            Chunk(self.users[place:], self.items[place:], after),
        )


class PartsWriter:
    """Gathers chunks and writes a part as soon as it is full, at the end of a user.

    Args:
        folder: an existing one; the files are called ``00000.npz`` and so on.
        n_items: items of the catalogue.
        ratings: ratings from which on a part is full.
    """

    def __init__(self, folder: Path, n_items: int, ratings: int) -> None:
        self._folder, self._n_items, self._ratings = folder, n_items, ratings
        self._chunks: list[Chunk] = []
        self._held = 0
        self._facts: list[PartFacts] = []

    def add(self, chunk: Chunk) -> None:
        """Takes the next ratings; a user may go on in the next chunk."""
        while self._held + len(chunk.users) > self._ratings:
            place = self._end_of_user(chunk, max(self._ratings - self._held, 0))
            if place == len(chunk.users):
                break
            before, chunk = chunk.cut(place)
            self._keep(before)
            self._write()
        self._keep(chunk)

    def finish(self) -> tuple[PartFacts, ...]:
        """Writes what is left and returns the list of the parts; at least one, perhaps an empty one."""
        if self._held or not self._facts:
            self._write()
        return tuple(self._facts)

    def _end_of_user(self, chunk: Chunk, place: int) -> int:
        """Where the user ends whose rating stands before a place; that may be the chunk's end."""
        last = chunk.users[place - 1] if place else self._chunks[-1].users[-1]
        return int(np.searchsorted(chunk.users, last, side="right"))

    def _keep(self, chunk: Chunk) -> None:
        if len(chunk.users):
            self._chunks.append(chunk)
            self._held += len(chunk.users)

    def _write(self) -> None:
        part = self._part()
        np.savez(
            self._folder / f"{len(self._facts):05}.npz", allow_pickle=False, **part.to_arrays()
        )
        owners = np.repeat(np.arange(part.n_users), np.diff(part.indptr))
        self._facts.append(
            PartFacts(
                part.first,
                part.n_users,
                len(part.seen_indices),
                len(part.col),
                int(part.is_positive.sum()),
                len(np.unique(owners[part.is_positive])),
            )
        )
        self._chunks, self._held = [], 0

    def _part(self) -> Part:
        users = _joined([chunk.users for chunk in self._chunks], np.int32)
        rows = _joined([chunk.interactions.row for chunk in self._chunks], np.int32)
        first = int(users[0]) if len(users) else 0
        bounds = np.arange(first, int(users[-1]) + 2) if len(users) else np.zeros(1, np.int64)
        kept: dict[str, Any] = {
            name: _joined([getattr(chunk.interactions, name) for chunk in self._chunks], dtype)
            for name, dtype in zip(KEPT, (np.int32, np.float32, np.bool_, np.int64), strict=True)
        }
        return Part(
            first,
            self._n_items,
            indptr=np.searchsorted(rows, bounds).astype(np.int64),
            seen_indptr=np.searchsorted(users, bounds).astype(np.int64),
            seen_indices=_joined([chunk.items for chunk in self._chunks], np.int32),
            **kept,
        )


def _joined(arrays: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *arrays]).astype(dtype, copy=False)
