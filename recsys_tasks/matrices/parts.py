"""Interactions in parts, each a range of users, and the one way to map a function over them.

What grows with users and ratings is only ever in memory for the parts that are worked on; what is combined
is small: item-sided sums, counts, names of files. The functions are the same wherever they run.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.matrices.interactions import Arrays, Csr, Interactions, seen_csr

P_co = TypeVar("P_co", covariant=True)
R = TypeVar("R")

DTYPES = {
    "indptr": "<i8",
    "col": "<i4",
    "weight": "<f4",
    "is_positive": "|b1",
    "rated_at": "<i8",
    "seen_indptr": "<i8",
    "seen_indices": "<i4",
}
"""The arrays of a part's file."""


@dataclass(frozen=True)
class PartFacts:
    """What the list of the parts says of one.

    Args:
        first: row of its first user.
        users, ratings, interactions, positives: how many it holds.
        users_with_positives: how many of its users have a positive.
    """

    first: int
    users: int
    ratings: int
    interactions: int
    positives: int
    users_with_positives: int


@dataclass(frozen=True, eq=False)
class Part:
    """A range of users with all that they have rated; rows of users count from the part's first.

    Args:
        first: row of the first user among all.
        n_items: items of the catalogue.
        indptr: int64 ``(n_users + 1,)``; user ``u`` owns ``indptr[u]:indptr[u + 1]`` of the next four.
        col: int32; rows of items, ascending for each user.
        weight: float32, sample weights in (0, 1].
        is_positive: bool; the others are weaker positives.
        rated_at: int64, epoch seconds, UTC.
        seen_indptr, seen_indices: int64 and int32, CSR of everything rated, whatever the rating.
    """

    first: int
    n_items: int
    indptr: NDArray[np.int64]
    col: NDArray[np.int32]
    weight: NDArray[np.float32]
    is_positive: NDArray[np.bool_]
    rated_at: NDArray[np.int64]
    seen_indptr: NDArray[np.int64]
    seen_indices: NDArray[np.int32]

    @property
    def n_users(self) -> int:
        """Users of the part."""
        return len(self.indptr) - 1

    @property
    def users(self) -> slice:
        """The rows of its users among all."""
        return slice(self.first, self.first + self.n_users)

    def interactions(self) -> Interactions:
        """What counts as positive, in the part's own rows, ordered by user, then item."""
        rows = np.repeat(np.arange(self.n_users, dtype=np.int32), np.diff(self.indptr))
        shape = (self.n_users, self.n_items)
        return Interactions(
            shape, rows, self.col, self.weight, self.is_positive, np.asarray(self.rated_at)
        )

    def seen(self) -> Csr:
        """Everything rated, in the part's own rows; the indices are not copied."""
        return seen_csr(self.seen_indptr, self.seen_indices, self.n_items)

    @classmethod
    def from_arrays(cls, first: int, n_items: int, arrays: Mapping[str, NDArray[Any]]) -> "Part":
        """The part of a file's arrays.

        Raises:
            ArtifactRefused: arrays that do not belong together.
        """
        part = cls(first, n_items, **arrays)
        if part.indptr[-1] != len(part.col) or len(part.seen_indptr) != len(part.indptr):
            raise ArtifactRefused(f"the part of user {first}", "its arrays do not fit together")
        return part

    def to_arrays(self) -> Arrays:
        """The arrays of its file."""
        return {name: getattr(self, name) for name in DTYPES}


def join_interactions(parts: Sequence[Interactions]) -> Interactions:
    """One matrix of parts that follow each other, for what needs all interactions at once."""
    n_users = sum(part.shape[0] for part in parts)
    firsts = np.cumsum([0, *(part.shape[0] for part in parts)], dtype=np.int32)
    rows = [part.row + first for part, first in zip(parts, firsts, strict=False)]
    return Interactions(
        (n_users, parts[0].shape[1]),
        np.concatenate(rows),
        np.concatenate([part.col for part in parts]),
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.is_positive for part in parts]),
        np.concatenate([part.rated_at for part in parts]),
    )


def join_csr(parts: Sequence[Csr]) -> Csr:
    """One CSR of ones of parts that follow each other; of one part its own arrays."""
    if len(parts) == 1:
        return parts[0]
    lengths = np.concatenate([np.diff(part.indptr) for part in parts])
    indptr = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    return seen_csr(indptr, np.concatenate([part.indices for part in parts]), parts[0].shape[1])


class Parts(Protocol[P_co]):
    """Where parts are read from. A runner in other processes sends it there, so it is picklable."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def read(self, number: int) -> P_co:
        """One part, counted from 0, its arrays mapped or in memory."""
        ...


@dataclass(frozen=True)
class InMemory(Generic[P_co]):
    """Parts that are there already."""

    parts: Sequence[P_co]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.parts)

    def read(self, number: int) -> P_co:
        """One part."""
        return self.parts[number]


@dataclass(frozen=True)
class PartTask(Generic[P_co, R]):
    """A function of a module, for one part after the other, with the same arguments for each.

    Args:
        function: takes a part, then the arguments; found by its module and name in other processes.
        parts: where the parts are read from.
        arguments: picklable values.
    """

    function: Callable[..., R]
    parts: Parts[P_co]
    arguments: tuple[Any, ...] = ()

    def __call__(self, number: int) -> R:
        """The function's result for one part."""
        return self.function(self.parts.read(number), *self.arguments)


class Runner(Protocol):
    """What runs a task over all parts and combines the results: threads, or executors elsewhere."""

    def fold(self, task: PartTask[Any, R], combine: Callable[[R, R], R]) -> R:
        """All results combined: in the order of the parts, the first ones first.

        Args:
            task: with at least one part.
            combine: of the result so far and the next one; may change and return the first.
        """
        ...


@dataclass(frozen=True)
class Threads:
    """Runs a task in this process, so many parts at a time; the result does not depend on it."""

    count: int = 1

    def fold(self, task: PartTask[Any, R], combine: Callable[[R, R], R]) -> R:
        """See ``Runner``; no more results than threads wait to be combined."""
        return reduce(combine, self.results(task))

    def results(self, task: PartTask[Any, R]) -> Iterator[R]:
        """The results in the order of the parts."""
        count = min(self.count, len(task.parts))
        if count == 1:
            yield from map(task, range(len(task.parts)))
            return
        with ThreadPoolExecutor(count) as pool:
            waiting: deque[Future[R]] = deque()
            for number in range(len(task.parts)):
                waiting.append(pool.submit(task, number))
                if len(waiting) > count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def map_parts(
    function: Callable[..., R],
    parts: Parts[Any],
    combine: Callable[[R, R], R],
    runner: Runner,
    *arguments: Any,
) -> R:
    """A function's results for all parts, combined in their order.

    For a fixed number of parts the result is the same, byte for byte, for any number of threads.

    Args:
        function: of a module; takes a part, then ``arguments``.
        parts: at least one.
        combine: of the result so far and the next one.
        runner: where the function runs.
        arguments: the same for every part; picklable.
    """
    return runner.fold(PartTask(function, parts, arguments), combine)
