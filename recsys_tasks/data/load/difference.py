"""Compares an ordered snapshot with the table, users by users, and passes on what differs.

Nightly snapshots repeat almost all of the day before. Reading the table's part for each part of the
file and comparing both as arrays costs less than staging the file and joining it.
"""

from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

from recsys_tasks.data.csv.ratings import Ratings
from recsys_tasks.data.db.copy_binary import copy_arrays
from recsys_tasks.data.db.postgres import RATING_COLUMNS, RATING_RECORD
from recsys_tasks.data.load.copy_records import OutOfOrderError
from recsys_tasks.data.tables import RatingTable

MOST_ROWS = 2_000_000
"""The table's rows of one part at most; a file that lacks so many is no small difference."""

FEW_ROWS = 10_000
"""So few rows may always change one by one."""

MAX_CHANGED_SHARE = 0.01
"""Of the rows compared so many may be changed or gone: above it a new generation costs less."""

LATE_FACTOR = 3
"""So many times as many in the second half, where most of the comparison is made already."""

LARGEST_ID = 2**31 - 1
"""Two ids up to this make one key of 64 bits."""

READ_PART = """
    COPY (SELECT user_id, movie_id, rating::text, rated_at FROM {schema}.ratings
          WHERE user_id > {after} AND user_id <= {upto} LIMIT {most}) TO STDOUT (FORMAT binary)
"""


class TooDifferentError(Exception):
    """More rows of the table are changed or gone than one by one is worth; caught by the load."""


class Difference:
    """What a snapshot changes.

    Args:
        cursor: of a connection that sees the table as it was before the load, and that holds no
            lock between two queries.
        schema: the dataset's.
        gone: takes the pairs that the file lacks, as COPY text.
        held: rows of the table.
    """

    def __init__(self, cursor: Cursor, schema: str, gone: IO[bytes], held: int) -> None:
        self._cursor, self._schema, self._gone = cursor, schema, gone
        self._held = held
        self._seen = self._leaving = 0
        self.unchanged = 0
        """Rows of the file that the table holds as they are."""

    def rows(self, blocks: Iterable[Ratings]) -> Iterator[Ratings]:
        """The rows that are new or differ, the pairs that are gone noted on the way.

        Raises:
            OutOfOrderError: the rows are not in strict order of (user, movie), or users are gone in
                a long run.
            TooDifferentError: more than ``MAX_CHANGED_SHARE`` of what was compared is changed or gone.
        """
        after = 0
        for users in whole_users(blocks):
            upto = int(users.user_id[-1])
            yield self._differing(users, self._part(after, upto))
            after = upto
        self._note_gone(self._part(after, 2**63 - 1))

    def _differing(self, file: Ratings, table: RatingTable) -> Ratings:
        wanted, held = keys(file.user_id, file.movie_id), keys(table.user_id, table.movie_id)
        at = np.minimum(np.searchsorted(held, wanted), max(len(held) - 1, 0))
        found = held[at] == wanted if len(held) else np.zeros(len(wanted), np.bool_)
        missing = np.ones(len(held), np.bool_)
        missing[at[found]] = False
        self._note_gone(table, missing)
        same = found.copy()
        same[found] = (table.rating[at[found]] * 2 == file.half_stars[found]) & (
            table.rated_at[at[found]] == file.rated_at[found]
        )
        self.unchanged += int(same.sum())
        self._count_leaving(int((found & ~same).sum()))
        return file.where(~same)

    def _note_gone(self, table: RatingTable, missing: NDArray[np.bool_] | None = None) -> None:
        users, movies = table.user_id, table.movie_id
        if missing is not None:
            users, movies = users[missing], movies[missing]
        self._count_leaving(len(users))
        for user, movie in zip(users.tolist(), movies.tolist(), strict=True):
            self._gone.write(b"%d\t%d\n" % (user, movie))

    def _count_leaving(self, rows: int) -> None:
        self._leaving += rows
        share = (
            MAX_CHANGED_SHARE if 2 * self._seen < self._held else LATE_FACTOR * MAX_CHANGED_SHARE
        )
        if self._leaving > max(share * self._seen, FEW_ROWS):
            raise TooDifferentError

    def _part(self, after: int, upto: int) -> RatingTable:
        """The table's rows of the users after one and up to another, in order."""
        part = self._read(after, upto)
        if len(part) == MOST_ROWS:
            raise OutOfOrderError
        self._seen += len(part)
        return part

    def _read(self, after: int, upto: int) -> RatingTable:
        query = sql.SQL(READ_PART).format(
            schema=sql.Identifier(self._schema),
            after=sql.Literal(after),
            upto=sql.Literal(upto),
            most=sql.Literal(MOST_ROWS),
        )
        columns = copy_arrays(self._cursor, query, RATING_RECORD, RATING_COLUMNS)
        return RatingTable(**columns).ordered()


def whole_users(blocks: Iterable[Ratings]) -> Iterator[Ratings]:
    """The same rows, cut between two users.

    Raises:
        OutOfOrderError: the rows are not in strict order of (user, movie).
    """
    rest: Ratings | None = None
    last = -1
    for block in blocks:
        rows = block if rest is None else rest.followed_by(block)
        key = keys(rows.user_id, rows.movie_id)
        if len(key) and (key[0] <= last or not bool((key[1:] > key[:-1]).all())):
            raise OutOfOrderError
        cut = int(np.searchsorted(rows.user_id, rows.user_id[-1])) if len(rows) else 0
        whole = np.arange(len(rows)) < cut
        rest = rows.where(~whole)
        if cut:
            last = int(key[cut - 1])
            yield rows.where(whole)
    if rest is not None and len(rest):
        yield rest


def keys(user_id: NDArray[np.int64], movie_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for each pair, in the order of (user, movie); ids up to ``LARGEST_ID``."""
    return (user_id << 31) | movie_id
