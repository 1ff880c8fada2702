"""Ranks each user's test positives among all items, in one pass over the scores.

A block of users times all items is one matrix product; then, for each positive, the items that
score at least as much are counted. A view that leaves items out subtracts those of them that were
counted, so every view comes from the same scores. Ties count against the model, as in LightFM.
"""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsys_tasks.errors import SettingsError, TrainingRefused
from recsys_tasks.matrices.interactions import Csr, Interactions

log = logging.getLogger(__name__)

NOBODY = -1
"""Fills a list of items that ends early."""

LONG = 200
"""Blocks from which on progress is logged, ten times."""

CHUNK = 4096
"""Scores that are compared at a time: 16 KB, half of a core's first cache."""


@dataclass(frozen=True)
class Shard:
    """One of several equal portions of the users, counted from 0.

    Raises:
        SettingsError: there is no such shard.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.of:
            raise SettingsError(f"there is no shard {self.number} of {self.of}: they begin at 0")

    def cut(self, n: int) -> tuple[int, int]:
        """First and last (not included) of ``n`` things in a row."""
        return self.number * n // self.of, (self.number + 1) * n // self.of


WHOLE = Shard(0, 1)
"""Everyone."""


class Scorer(Protocol):
    """Anything that gives every item a score for a user: a model or a baseline."""

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Scores of these users (rows) with every item, ``(len(users), n_items)``, C order, writable."""
        ...


@runtime_checkable
class Serves(Protocol):
    """A scorer that some users are not served by."""

    def serve(self, scores: NDArray[np.float32], users: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Puts what these users are served in the place of their scores; which rows it exchanged."""
        ...


@dataclass(frozen=True, eq=False)
class Ranks:
    """0-based ranks of users' positives in one view, grouped by user, ascending within each.

    Args:
        users: int32, shape ``(n,)``, ascending; the users (rows) with a positive in this view.
        indptr: int64, shape ``(n + 1,)``; user ``i`` owns ``values[indptr[i]:indptr[i + 1]]``.
        values: int32; how many items score at least as much, the item itself and those left out
            of the view not counted.
        n_negatives: int64, shape ``(n,)``; items neither positive in this view nor left out of it.
    """

    users: NDArray[np.int32]
    indptr: NDArray[np.int64]
    values: NDArray[np.int32]
    n_negatives: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """What one pass over a scorer's scores gives.

    Args:
        views: ranks by the view's name: ``test_served``, ``test``, ``test_unmasked``, ``train``.
        lists: int32, shape ``(n, length)``; what each user of the test part is shown, best first:
            the items never rated by the user and those of the test part. ``NOBODY`` fills the rest.
        served: int32, shape ``(n_test,)``; the rank of each test positive as served, in the order of
            ``Parts.test``'s elements.
    """

    views: dict[str, Ranks]
    lists: NDArray[np.int32]
    served: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Parts:
    """What a ranking is asked about: who likes what, and what is left out in which view.

    Args:
        test: CSR ``(n_users, n_items)``, indices sorted: positives to be found.
        train: CSR: positives trained on, for the view ``train``.
        trained: CSR: everything trained on, weaker positives too; left out in the view ``test``.
        unserved: CSR: everything rated at any rating but for the test part; left out in ``test_served``.
    """

    test: Csr
    train: Csr
    trained: Csr
    seen_not_tested: Csr

    @classmethod
    def of(
        cls, train: Interactions, test: Interactions, seen: Csr, unknown: Interactions | None = None
    ) -> "Parts":
        """Parts from interactions and everything rated.

        Args:
            train: what the model was trained on.
            test: what is to be found; its positives count.
            seen: CSR, every rated item whatever the rating.
            unknown: ratings that this question must not know of (the test part, where the question
                is about validation): their items stay in the lists like any unrated one.

        Raises:
            TrainingRefused: an interaction is both trained on and to be found.
        """
        positives, trained = test.positives().csr(), train.csr()
        leaked = trained.multiply(positives).nnz
        if leaked:
            raise TrainingRefused(f"{leaked} interactions are both trained on and tested")
        hidden = positives if unknown is None else positives + unknown.csr()
        return cls(
            test=positives,
            train=train.positives().csr(),
            trained=trained,
            seen_not_tested=_without(seen, hidden),
        )


@dataclass(frozen=True, eq=False)
class Counts:
    """What the blocks of a range of users are counted into; ``join`` puts ranges together again.

    The first four count, for each positive, items that score at least as much as it.

    Args:
        test: int32, one for each element of ``Parts.test`` of the range's users.
        train: int32, the same for ``Parts.train``.
        trained: int32, as ``test``, of the items in ``Parts.trained`` alone.
        served: int32, as ``test``, by what each user is served, of the items not in ``Parts.unserved``.
        lists: int32, shape ``(n, length)``, a row for each user of the range; see ``Ranking``.
    """

    test: NDArray[np.int32]
    train: NDArray[np.int32]
    trained: NDArray[np.int32]
    served: NDArray[np.int32]
    lists: NDArray[np.int32]

    @classmethod
    def nothing(cls, parts: Parts, list_length: int) -> "Counts":
        """Zeros for every user."""
        test, trained, served = np.zeros((3, parts.test.nnz), dtype=np.int32)
        train = np.zeros(parts.train.nnz, dtype=np.int32)
        lists = np.full((parts.test.shape[0], list_length), NOBODY, dtype=np.int32)
        return cls(test, train, trained, served, lists)

    @classmethod
    def join(cls, ranges: Sequence["Counts"]) -> "Counts":
        """One range out of several that follow each other."""
        return cls(
            **{
                name: np.concatenate([vars(one)[name] for one in ranges])
                for name in vars(ranges[0])
            }
        )

    def add(self, scorer: Scorer, users: NDArray[np.int32], parts: Parts) -> None:
        """Counts in the scores of a block of users; writes to places of these only."""
        test, train, trained, seen_not_tested = (
            (matrix.indptr, matrix.indices)
            for matrix in (parts.test, parts.train, parts.trained, parts.seen_not_tested)
        )
        scores = scorer.scores(users)
        _count_at_least(scores, users, *test, self.test)
        _count_at_least(scores, users, *train, self.train)
        _count_left_out(scores, users, *test, *trained, self.trained)
        self._add_served(scorer, scores, users, parts)
        _take_left_out(scores, users, *test, *seen_not_tested, self.served)
        if self.lists.shape[1]:
            _list_best(scores, users, *seen_not_tested, self.lists)

    def _add_served(
        self,
        scorer: Scorer,
        scores: NDArray[np.float32],
        users: NDArray[np.int32],
        parts: Parts,
    ) -> None:
        """Counts by what is served: counted anew only for the users whose scores that exchanges."""
        indptr, indices = parts.test.indptr, parts.test.indices
        block = slice(indptr[users[0]], indptr[users[-1] + 1])
        self.served[block] = self.test[block]
        if not isinstance(scorer, Serves):
            return
        others = np.flatnonzero(scorer.serve(scores, users))
        for user in users[others]:
            self.served[indptr[user] : indptr[user + 1]] = 0
        _count_at_least(scores[others], users[others], indptr, indices, self.served)

    def of_users(self, first: int, last: int, parts: Parts) -> "Counts":
        """The range of the users (rows) ``first`` to ``last - 1``, of counts for everyone."""
        tested = slice(parts.test.indptr[first], parts.test.indptr[last])
        trained = slice(parts.train.indptr[first], parts.train.indptr[last])
        return Counts(
            self.test[tested],
            self.train[trained],
            self.trained[tested],
            self.served[tested],
            self.lists[first:last],
        )

    def ranking(self, parts: Parts) -> Ranking:
        """The counts for everyone as ranks: what a view leaves out does not count in it."""
        return Ranking(
            views={
                "test_served": grouped(parts.test, self.served, parts.seen_not_tested),
                "test": grouped(parts.test, self.test - self.trained, parts.trained),
                "test_unmasked": grouped(parts.test, self.test),
                "train": grouped(parts.train, self.train),
            },
            lists=self.lists[np.diff(parts.test.indptr) > 0],
            served=self.served,
        )


def rank(
    scorer: Scorer, parts: Parts, list_length: int = 10, block: int = 128, threads: int = 1
) -> Ranking:
    """Ranks every positive of the test and train parts in every view; the arguments are ``count``'s."""
    return count(scorer, parts, list_length, block, threads).ranking(parts)


def count(
    scorer: Scorer,
    parts: Parts,
    list_length: int = 10,
    block: int = 128,
    threads: int = 1,
    shard: Shard = WHOLE,
) -> Counts:
    """Counts what ranks the positives of a shard of the users.

    A shard is made of whole blocks, and each block is one product of its own, so that the same users
    get the same counts to the last bit, however many shards there are.

    Args:
        scorer: scores for every user of ``parts``, no NaN; what is at minus infinity is in no list; fewer
            than 2**24 items.
        parts: who likes what, of everyone.
        list_length: items in each list; 0: no lists.
        block: users scored at a time; memory is about ``threads * block * n_items * 4`` bytes.
        threads: blocks at a time; BLAS is held to one thread in each, so that the numbers do not
            depend on how many there are.
        shard: which of the users.

    Returns:
        the counts of a range of users; the shards' in order join to everyone's.

    Source:
        ``LightFM.predict_rank``: ``test`` is with ``train_interactions``, the others without.
    """
    counts, every = Counts.nothing(parts, list_length), list(_blocks(parts, block))
    first, last = shard.cut(len(every))
    blocks = every[first:last]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        ranked = pool.map(lambda users: counts.add(scorer, users, parts), blocks)
        for n_done, _ in enumerate(ranked, start=1):
            if len(blocks) >= LONG and n_done * 10 // len(blocks) > (n_done - 1) * 10 // len(
                blocks
            ):
                log.info("ranked %d of %d blocks of %d users", n_done, len(blocks), block)
    if shard == WHOLE:
        return counts
    n_users = parts.test.shape[0]
    begins = [int(users[0]) for users in every] + [n_users]
    return counts.of_users(
        begins[first] if shard.number else 0,
        begins[last] if shard.number + 1 < shard.of else n_users,
        parts,
    )


def _blocks(parts: Parts, block: int) -> Iterator[NDArray[np.int32]]:
    """Rows of the users with any positive, ``block`` at a time."""
    asked = np.diff(parts.test.indptr) + np.diff(parts.train.indptr)
    users = np.flatnonzero(asked).astype(np.int32)
    for start in range(0, len(users), block):
        yield users[start : start + block]


def _without(matrix: Csr, removed: Csr) -> Csr:
    """The elements of ``matrix`` that ``removed`` lacks, indices sorted."""
    ones = matrix.astype(np.int8, copy=False)
    kept = ones - ones.multiply(removed.astype(np.bool_))
    kept.eliminate_zeros()
    kept.sort_indices()
    return sp.csr_matrix(kept)


def grouped(positives: Csr, ranks: NDArray[np.int32], left_out: Csr | None = None) -> Ranks:
    """Ranks of the users with a positive, ascending within each user.

    Args:
        positives: CSR ``(n_users, n_items)``.
        ranks: the rank of each element of ``positives``, in its order.
        left_out: CSR; what the view leaves out.
    """
    n_items, per_user = positives.shape[1], np.diff(positives.indptr).astype(np.int64)
    users = np.flatnonzero(per_user).astype(np.int32)
    n_out = np.diff(left_out.indptr)[users] if left_out is not None else 0
    owner = np.repeat(np.arange(len(per_user)), per_user)
    in_order = np.sort(owner * n_items + ranks)
    return Ranks(
        users=users,
        indptr=np.concatenate(([0], np.cumsum(per_user[users]))),
        values=(in_order - owner * n_items).astype(np.int32),
        n_negatives=n_items - per_user[users] - n_out,
    )


@njit(nogil=True, cache=True)
def _count_at_least(scores, users, indptr, items, out):  # type: ignore[no-untyped-def]
    """For each positive of each user: other items that score at least as much.

    Counts stay uint32 at every step, so that the compiler adds sixteen at a time where the processor
    can; a chunk of scores stays in the first cache for all positives of the user.
    """
    for place in range(len(users)):
        row, first, last = scores[place], indptr[users[place]], indptr[users[place] + 1]
        for start in range(0, len(row), CHUNK):
            chunk = row[start : start + CHUNK]
            for pair in range(first, last):
                bound, count = row[items[pair]], np.uint32(0)
                for item in range(len(chunk)):
                    count = np.uint32(count + np.uint32(chunk[item] >= bound))
                out[pair] += np.int32(count)
        for pair in range(first, last):
            out[pair] -= 1


@njit(nogil=True, cache=True)
def _count_left_out(scores, users, indptr, items, out_indptr, out_items, out):  # type: ignore[no-untyped-def]
    """For each positive of each user: left-out items that score at least as much."""
    for place in range(len(users)):
        row, user = scores[place], users[place]
        for pair in range(indptr[user], indptr[user + 1]):
            bound = row[items[pair]]
            count = np.int32(0)
            for left_out in range(out_indptr[user], out_indptr[user + 1]):
                count += np.int32(row[out_items[left_out]] >= bound)
            out[pair] = count


@njit(nogil=True, cache=True)
def _take_left_out(scores, users, indptr, items, out_indptr, out_items, out):  # type: ignore[no-untyped-def]
    """Takes off the count of each positive the left-out items that score at least as much."""
    for place in range(len(users)):
        row, user = scores[place], users[place]
        for pair in range(indptr[user], indptr[user + 1]):
            bound = row[items[pair]]
            for left_out in range(out_indptr[user], out_indptr[user + 1]):
                out[pair] -= np.int32(row[out_items[left_out]] >= bound)


@njit(nogil=True, cache=True)
def _list_best(scores, users, out_indptr, out_items, lists):  # type: ignore[no-untyped-def]
    """The best items of each user without those left out, ties by lower row; spoils the scores."""
    length = lists.shape[1]
    best = np.empty(length, dtype=np.float32)
    for place in range(len(users)):
        row, shown = scores[place], lists[users[place]]
        for left_out in range(out_indptr[users[place]], out_indptr[users[place] + 1]):
            row[out_items[left_out]] = -np.inf
        best[:] = -np.inf
        for start in range(0, len(row), CHUNK):
            chunk = row[start : start + CHUNK]
            bound, better = best[length - 1], np.uint32(0)
            for item in range(len(chunk)):
                better = np.uint32(better + np.uint32(chunk[item] > bound))
            if better > 0:
                _insert(chunk, start, best, shown)


@njit(nogil=True, cache=True)
def _insert(chunk, start, best, shown):  # type: ignore[no-untyped-def]
    """Moves a chunk's items into the list of the best, in order."""
    last = len(best) - 1
    for item in range(len(chunk)):
        score = chunk[item]
        if score > best[last]:
            slot = last
            while slot > 0 and score > best[slot - 1]:
                best[slot] = best[slot - 1]
                shown[slot] = shown[slot - 1]
                slot -= 1
            best[slot] = score
            shown[slot] = start + item
