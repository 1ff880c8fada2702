"""Products with A'A for a sparse A with a row for each user, without ever making A'A.

A row of A is a row of the interactions with one more entry, the constant, scaled by its user's
weight. One pass reads every row once for each slice of columns: first the row's sum over its items,
then that sum back to the items. A slice of items and its result are all that the pass writes or
looks up. Each part of the users has sums of its own, which are added in the order of the parts: for a
fixed number of parts the same bytes come out, whatever the number of threads and wherever they run.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import iadd

import numba
import numpy as np
from numpy.typing import NDArray

from recsys_tasks.matrices.interactions import Csr
from recsys_tasks.matrices.parts import Parts, Runner, Threads, map_parts

Floats = NDArray[np.float32]

SLICE = 64
"""Columns that are worked on at a time: four cache lines of each item."""

ONE_THREAD = Threads()

ROWS = 65_536
"""Rows that a call of the kernel passes over."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of A.

    Args:
        entries: CSR float32, ``(n_rows, n_items)``.
        constant: value of the one more entry that every row has.
        squares: float32, ``(n_rows,)``; square of the factor of each row. Rows of 0 count for nothing.
    """

    entries: Csr
    constant: float
    squares: Floats


@dataclass(frozen=True, eq=False)
class Gram:
    """A'A for the rows of users and pseudo-users, columns scaled: ``D (Σ X'R²X) D``.

    Args:
        users: rows of A before the columns are scaled, by part.
        pseudo: rows that are no users'.
        scale: float32, ``(n_items + 1,)``; factor of each column, the constant's last.
        runner: where the users' parts are worked on.
        threads: slices of a part that are worked on at a time; the bytes do not depend on it.
    """

    users: Parts[Rows]
    pseudo: Rows
    scale: Floats
    runner: Runner = ONE_THREAD
    threads: int = 1

    @property
    def size(self) -> int:
        """Rows and columns of A'A: the items and the constant."""
        return len(self.scale)

    def times(self, block: Floats) -> Floats:
        """A'A times a block of columns, float32 ``(size, columns)``."""
        given = np.ascontiguousarray(block * self.scale[:, None], np.float32)
        total: Floats = map_parts(rows_times, self.users, iadd, self.runner, given, self.threads)
        total += rows_times(self.pseudo, given, self.threads)
        total *= self.scale[:, None]
        return total


def rows_times(rows: Rows, block: Floats, threads: int = 1) -> Floats:
    """``X'R²X`` of some rows times a block of columns, float32 ``(n_items + 1, columns)``.

    Args:
        rows: of a part.
        block: float32, in C order.
        threads: slices of columns that are worked on at a time.
    """
    product = np.empty_like(block)

    def work(columns: slice) -> None:
        product[:, columns] = _slice_times(rows, block[:, columns])

    in_threads(work, list(_slices(block.shape[1])), threads)
    return product


def _slice_times(rows: Rows, block: Floats) -> Floats:
    size, columns = block.shape
    given = np.zeros((size, SLICE), np.float32)
    given[:, :columns] = block
    total, entries = np.zeros_like(given), rows.entries
    for start in range(0, entries.shape[0], ROWS):
        stop = min(start + ROWS, entries.shape[0])
        _add_rows(
            entries.indptr,
            entries.indices,
            entries.data,
            np.float32(rows.constant),
            rows.squares,
            given,
            total,
            (start, stop),
        )
    return total[:, :columns]


def project(rows: Csr, table: Floats, threads: int = 1) -> Floats:
    """``rows @ table``, float32 ``(n_rows, columns)``; the bytes do not depend on the threads.

    Args:
        rows: CSR float32, ``(n_rows, n_items)``.
        table: float32, ``(n_items, columns)``.
        threads: slices of columns that are worked on at a time.
    """
    product = np.empty((rows.shape[0], table.shape[1]), np.float32)

    def work(columns: slice) -> None:
        product[:, columns] = rows @ np.ascontiguousarray(table[:, columns])

    in_threads(work, list(_slices(table.shape[1])), threads)
    return product


def in_threads(work: Callable[[slice], None], slices: Sequence[slice], threads: int) -> None:
    """Does the work for each slice, so many at a time; one thread is the caller's own."""
    if threads == 1 or len(slices) == 1:
        for columns in slices:
            work(columns)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, slices):
            pass


def _slices(columns: int) -> Iterator[slice]:
    for start in range(0, columns, SLICE):
        yield slice(start, min(start + SLICE, columns))


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_rows(indptr, indices, data, constant, squares, given, total, bounds):  # type: ignore[no-untyped-def]
    """Adds the rows' part of ``X'R²X given`` to ``total``; both ``(n_items + 1, SLICE)``."""
    last = given.shape[0] - 1
    mine = np.empty(SLICE, np.float32)
    for row in range(bounds[0], bounds[1]):
        square = squares[row]
        if square == 0:
            continue
        for column in range(SLICE):
            mine[column] = constant * given[last, column]
        for place in range(indptr[row], indptr[row + 1]):
            item, value = indices[place], data[place]
            for column in range(SLICE):
                mine[column] += value * given[item, column]
        for column in range(SLICE):
            mine[column] *= square
            total[last, column] += constant * mine[column]
        for place in range(indptr[row], indptr[row + 1]):
            item, value = indices[place], data[place]
            for column in range(SLICE):
                total[item, column] += value * mine[column]
