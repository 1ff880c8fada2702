"""Parses the ratings file: well-formed rows as arrays, all others one by one with a reason.

A row is first looked at together with all others of its block; whatever is not plainly right goes
to ``_judge``, which alone says whether and why a row is rejected.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.blocks import Block
from recsys_tasks.data.csv.header import Header
from recsys_tasks.data.csv.integers import read_decimal_tenths, read_integers
from recsys_tasks.data.csv.rows import (
    WHOLE,
    Fault,
    SwallowedLinesError,
    judge_id,
    refuse_swallowed,
    row_fields,
    shown,
)
from recsys_tasks.data.load.rejected_rows import RejectedRow

EARLIEST = 788_918_400
"""1995-01-01 UTC in Unix seconds: no rating in MovieLens is older."""


@dataclass(frozen=True)
class Ratings:
    """Rows of one block that passed, in the file's order, all shape ``(n,)``."""

    user_id: NDArray[np.int64]
    movie_id: NDArray[np.int64]
    half_stars: NDArray[np.int64]
    """The rating in half stars, 1 to 10."""

    rated_at: NDArray[np.int64]
    """Unix seconds."""

    line: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.user_id)

    def where(self, chosen: NDArray[np.bool_]) -> "Ratings":
        """The chosen rows."""
        return Ratings(*(column[chosen] for column in self._columns()))

    def followed_by(self, other: "Ratings") -> "Ratings":
        """These rows and then the others."""
        both = zip(self._columns(), other._columns(), strict=True)
        return Ratings(*(np.concatenate(pair) for pair in both))

    def _columns(self) -> tuple[NDArray[np.int64], ...]:
        return (self.user_id, self.movie_id, self.half_stars, self.rated_at, self.line)


class RatingsReader:
    """Reads blocks of one ratings file.

    Args:
        header: where the columns are.
        source: how numbers are written, and their bounds.
        known_movies: int64, ascending: the ids that a rating may refer to.
        latest: Unix seconds of the load; no rating is later.
    """

    def __init__(
        self,
        header: Header,
        source: SourceSettings,
        known_movies: NDArray[np.int64],
        latest: int,
    ) -> None:
        self._header, self._source, self._latest = header, source, latest
        self._catalogue = Catalogue(known_movies)
        self._per_second = 1000 if source.time_unit == "ms" else 1

    def read(self, block: Block) -> tuple[Ratings, list[RejectedRow], int]:
        """The block's good rows, the rejected rows, and how many records are blank lines.

        Raises:
            InputRejected: a stray quote takes in several lines.
        """
        fast, odd = self._read_plain(block)
        holds_text = block.ends[odd] > block.starts[odd]
        rows, rejected, blank = [], [], len(odd) - int(holds_text.sum())
        for index in odd[holds_text]:
            record, line = block.record(index), int(block.lines[index])
            if not record.strip():
                blank += 1
                continue
            try:
                rows.append((*self._judge(record), line))
            except SwallowedLinesError as problem:
                raise refuse_swallowed(self._header.file, line, record, problem) from None
            except Fault as fault:
                rejected.append(RejectedRow(line, str(fault), record))
        return _merged(fast, rows), rejected, blank

    def _read_plain(self, block: Block) -> tuple[Ratings, NDArray[np.int64]]:
        """Rows whose every field is plainly right, and the indices of all other records."""
        source, at = self._source, self._header.positions
        regular, starts, ends = cut_fields(block, ord(source.separator), self._header.width)
        octets = block.octets
        user, good = read_integers(octets, starts[at["user"]], ends[at["user"]])
        movie, good_movie = read_integers(octets, starts[at["movie"]], ends[at["movie"]])
        tenths, good_rating = read_decimal_tenths(
            octets, starts[at["rating"]], ends[at["rating"]], ord(source.decimal)
        )
        time, good_time = read_integers(octets, starts[at["time"]], ends[at["time"]])
        good &= good_movie & good_rating & good_time
        good &= (user > 0) & (user <= source.largest_id)
        good &= (movie > 0) & (movie <= source.largest_id) & self._catalogue.known(movie)
        half_stars, is_half = self._half_stars(tenths)
        seconds = time // self._per_second
        good &= is_half & (seconds >= EARLIEST) & (seconds <= self._latest)
        chosen = np.flatnonzero(good)
        passed = np.zeros(len(block), np.bool_)
        passed[regular[chosen]] = True
        rows = (user, movie, half_stars, seconds, block.lines[regular])
        return Ratings(*(column[chosen] for column in rows)), np.flatnonzero(~passed)

    def _half_stars(self, tenths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Half stars of ratings in tenths of the file's own unit, and which of them are whole."""
        half_stars = tenths / (self._source.top_rating * 10) * 10
        rounded = np.rint(half_stars)
        whole = (np.abs(half_stars - rounded) < 1e-9) & (rounded >= 1) & (rounded <= 10)
        return rounded.astype(np.int64), whole

    def _judge(self, record: str) -> tuple[int, int, int, int]:
        """One record's user, movie, half stars and seconds.

        Raises:
            Fault: the row is to be rejected.
        """
        fields = row_fields(record, self._source, self._header.width)
        at, columns = self._header.positions, self._source.rating_columns
        user = judge_id(fields[at["user"]], columns.user, self._source.largest_id)
        movie = judge_id(fields[at["movie"]], columns.movie, self._source.largest_id)
        rating = self._judge_rating(fields[at["rating"]].strip(" \t"), columns.rating)
        time = self._judge_time(fields[at["time"]].strip(" \t"), columns.time)
        if not self._catalogue.known(np.array([movie]))[0]:
            raise Fault(f"{UNKNOWN_MOVIE}: {movie}")
        return user, movie, rating, time

    def _judge_rating(self, text: str, column: str) -> int:
        decimal = re.escape(self._source.decimal)
        if not re.fullmatch(rf"[0-9]{{1,6}}({decimal}[0-9]{{1,18}})?", text, re.ASCII):
            raise Fault(f"{column} is {shown(text)}, not a plain decimal number")
        unit = Fraction(str(self._source.top_rating)) / 10
        half_stars = Fraction(text.replace(self._source.decimal, ".")) / unit
        if half_stars.denominator != 1 or not 1 <= half_stars <= 10:
            bounds = f"{float(unit):g} to {float(unit * 10):g}"
            raise Fault(f"{column} {text} is not a multiple of {float(unit):g} from {bounds}")
        return half_stars.numerator

    def _judge_time(self, text: str, column: str) -> int:
        if not WHOLE.fullmatch(text):
            unit = {"s": "seconds", "ms": "milliseconds"}[self._source.time_unit]
            raise Fault(f"{column} is {shown(text)}, not a whole number of {unit} since 1970")
        seconds = int(text) // self._per_second
        if seconds > self._latest:
            raise Fault(f"{column} {text} lies in the future{self._maybe_milliseconds(seconds)}")
        if seconds < EARLIEST:
            raise Fault(f"{column} {text} lies before 1995-01-01")
        return seconds

    def _maybe_milliseconds(self, seconds: int) -> str:
        return (
            ": milliseconds? See source.time_unit"
            if EARLIEST <= seconds // 1000 <= self._latest
            else ""
        )


UNKNOWN_MOVIE = "a movie that the catalogue lacks"


class Catalogue:
    """The movies that a rating may refer to.

    Args:
        ids: int64, ascending.
    """

    TABLE_LIMIT = 1 << 26
    """Up to this id a table of one byte an id answers; above it a binary search does."""

    def __init__(self, ids: NDArray[np.int64]) -> None:
        self._ids = ids
        self._table: NDArray[np.bool_] | None = None
        if len(ids) and ids[-1] < self.TABLE_LIMIT:
            self._table = np.zeros(int(ids[-1]) + 2, np.bool_)
            self._table[ids] = True

    def known(self, movies: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which ids the catalogue holds, shape as given."""
        if not len(self._ids):
            return np.zeros(len(movies), np.bool_)
        if self._table is not None:
            return self._table[np.clip(movies, 0, len(self._table) - 1)]
        at = np.minimum(np.searchsorted(self._ids, movies), len(self._ids) - 1)
        return np.asarray(self._ids[at] == movies)


def cut_fields(
    block: Block, separator: int, width: int
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Where the fields of the regular records are.

    Returns:
        the indices of the records with exactly ``width`` fields, shape ``(r,)``; then for each
        field its first byte and the one after its last, each shape ``(r,)``.
    """
    separators = np.flatnonzero(block.octets == separator)
    first = np.searchsorted(separators, block.starts)
    counts = np.searchsorted(separators, block.ends) - first
    regular = np.flatnonzero(counts == width - 1)
    starts, ends = [block.starts[regular]], []
    for place in range(width - 1):
        cut = separators[first[regular] + place]
        ends.append(cut)
        starts.append(cut + 1)
    return regular, starts, [*ends, block.ends[regular]]


def _merged(fast: Ratings, rows: list[tuple[int, int, int, int, int]]) -> Ratings:
    """The good rows of both ways, in the file's order."""
    if not rows:
        return fast
    slow = np.array(rows, dtype=np.int64).T
    both = fast.followed_by(Ratings(*slow))
    order = np.argsort(both.line, kind="stable")
    return Ratings(*(column[order] for column in both._columns()))
