"""Writes rows as Postgres takes them: COPY BINARY for ratings, COPY text for movies."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from recsys_tasks.data.csv.movies import Movie
from recsys_tasks.data.csv.ratings import Ratings
from recsys_tasks.data.db.copy_binary import HEADER, POSTGRES_EPOCH, TRAILER, Records
from recsys_tasks.data.load.rejected_rows import copy_text

PIECE_BYTES = 1 << 18
"""Lines are handed over in pieces of this size."""

STAGED_RATING = np.dtype(
    [
        ("fields", ">i2"),
        ("user_length", ">i4"),
        ("user_id", ">i8"),
        ("movie_length", ">i4"),
        ("movie_id", ">i8"),
        ("rating_length", ">i4"),
        ("digits", ">i2"),
        ("weight", ">i2"),
        ("sign", ">i2"),
        ("scale", ">i2"),
        ("whole", ">i2"),
        ("tenthousandths", ">i2"),
        ("time_length", ">i4"),
        ("rated_at", ">i8"),
        ("line_length", ">i4"),
        ("line", ">i8"),
    ]
)
"""A COPY BINARY record of ``staged_ratings``; the rating is a numeric of two base-10000 digits."""

FILLED_RATING = np.dtype(
    [field for field in STAGED_RATING.descr if not field[0].startswith("line")]
    + [("file_length", ">i4"), ("file_id", ">i4")]
)
"""A COPY BINARY record of ``ratings`` itself: the same, with the file in the line's place."""


class StrictOrder:
    """Turns blocks into records and watches: are they in strictly ascending order of (user, movie)?

    Such rows hold no pair twice, so that nothing needs to be settled.

    Args:
        file_id: the file that filled rows came from.
    """

    def __init__(self, file_id: int = 0) -> None:
        self.holds = True
        self._file_id = file_id
        self._last = (-1, -1)

    def stage(self, blocks: Iterable[Ratings]) -> Iterator[bytes]:
        """Records of ``staged_ratings``, in whatever order."""
        for rows in blocks:
            self._watch(rows)
            records = rating_records(rows, STAGED_RATING)
            records["line_length"], records["line"] = 8, rows.line
            yield records.tobytes()

    def fill(self, blocks: Iterable[Ratings]) -> Iterator[bytes]:
        """Records of ``ratings``.

        Raises:
            OutOfOrderError: a row does not follow the one before it.
        """
        for rows in blocks:
            self._watch(rows)
            if not self.holds:
                raise OutOfOrderError
            records = rating_records(rows, FILLED_RATING)
            records["file_length"], records["file_id"] = 4, self._file_id
            yield records.tobytes()

    def _watch(self, rows: Ratings) -> None:
        if self.holds and len(rows):
            user, movie = rows.user_id, rows.movie_id
            ascending = (user[1:] > user[:-1]) | (
                (user[1:] == user[:-1]) & (movie[1:] > movie[:-1])
            )
            follows = (int(user[0]), int(movie[0])) > self._last
            self.holds = follows and bool(ascending.all())
            self._last = (int(user[-1]), int(movie[-1]))


class OutOfOrderError(Exception):
    """The ratings of a file do not ascend by user and movie; caught where they are filled in."""


def rating_records(rows: Ratings, record: np.dtype[Any]) -> Records:
    """COPY BINARY records with the columns that both tables share."""
    records = np.empty(len(rows), record)
    records["fields"] = 5
    records["user_length"] = records["movie_length"] = records["time_length"] = 8
    records["rating_length"] = 12
    records["digits"], records["weight"], records["sign"], records["scale"] = 2, 0, 0, 1
    records["user_id"], records["movie_id"] = rows.user_id, rows.movie_id
    records["whole"] = rows.half_stars // 2
    records["tenthousandths"] = rows.half_stars % 2 * 5000
    records["rated_at"] = (rows.rated_at - POSTGRES_EPOCH) * 1_000_000
    return records


def framed(records: Iterator[bytes]) -> Iterator[bytes]:
    """A whole COPY BINARY stream of the records."""
    yield HEADER
    yield from records
    yield TRAILER


def joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in pieces that are worth a hand-over."""
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def movie_line(movie: Movie) -> bytes:
    """A movie as a COPY text line of ``staged_movies``."""
    genres = json.dumps(movie.genres, ensure_ascii=False)
    fields = (str(movie.id), movie.title, genres, str(movie.line))
    return ("\t".join(map(copy_text, fields)) + "\n").encode()
