"""The values that ingestion and the database hand on: ratings, movies, and the account of a load."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.ids import Ids
from recsys_tasks.artifacts.items import Period

SYNTHETIC_TITLE = "Synthetic: "
"""How the title of every generated movie begins, so that a manifest can count them."""


@dataclass(frozen=True)
class RatingTable:
    """Ratings, one row a pair of user and movie, ordered by (user_id, movie_id)."""

    user_id: NDArray[np.int64]
    """shape ``(n,)``, external id of the user."""

    movie_id: NDArray[np.int64]
    """shape ``(n,)``, external id of the movie."""

    rating: NDArray[np.float32]
    """shape ``(n,)``, stars, a multiple of 0.5 in [0.5, 5]."""

    rated_at: NDArray[np.int64]
    """shape ``(n,)``, seconds since 1970-01-01 UTC."""

    def __len__(self) -> int:
        return len(self.user_id)

    def ordered(self) -> "RatingTable":
        """The same rows by (user_id, movie_id); rows that lie so already are not moved."""
        order = pair_order(self.user_id, self.movie_id)
        if order is None:
            return self
        return RatingTable(
            self.user_id[order], self.movie_id[order], self.rating[order], self.rated_at[order]
        )


@dataclass(frozen=True)
class MovieTable:
    """The catalogue, ordered by movie_id ascending; of events, in the order of the dictionary's rows."""

    movie_id: Ids
    """shape ``(m,)``, external id, unique; int64, or bytes of fixed width where ids are text."""

    title: tuple[str, ...]
    """Title of each movie, as the file gave it."""

    genres: tuple[tuple[str, ...], ...]
    """Genres of each movie, in the file's order, without repeats; never empty."""

    available: tuple[Period, ...] = ()
    """From when and until when each may be shown, where the files said so; empty: always."""

    def __len__(self) -> int:
        return len(self.movie_id)


WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EPOCH_WEEKDAY = 3
"""Place of 1970-01-01, a Thursday, in ``WEEKDAYS``."""

TENTHS = 100
"""Values of a numeric(2,1) that is not negative: stars in tenths."""


@dataclass(frozen=True, eq=False)
class RatingTally:
    """Numbers about the ratings of one reading, counted while they pass by."""

    per_user: NDArray[np.int64]
    """shape ``(n_users,)``, ratings of each user in the order of ids, all >= 1."""

    per_tenth: NDArray[np.int64]
    """shape ``(TENTHS,)``, ratings by stars in tenths: element 45 counts those of 4.5."""

    per_day: NDArray[np.int64]
    """shape ``(days,)``, ratings by UTC day since 1970-01-01, up to the newest one's."""

    movies: int
    """Movies of the catalogue."""

    rated_movies: int
    """Movies with a rating."""

    oldest: int
    """Unix seconds; 0 without ratings."""

    newest: int
    """Unix seconds; 0 without ratings."""

    @property
    def ratings(self) -> int:
        """How many ratings there are."""
        return int(self.per_user.sum())

    def at_least(self, stars: float) -> int:
        """Ratings of so many stars or more."""
        return int(self.per_tenth[star_values() >= stars].sum())

    def weekdays(self) -> dict[str, int]:
        """Ratings by day of the week, UTC, Monday first: ``{"Mon": 3, …}``."""
        days = (np.arange(len(self.per_day)) + EPOCH_WEEKDAY) % len(WEEKDAYS)
        counts = np.bincount(days, self.per_day, minlength=len(WEEKDAYS))
        return {name: int(count) for name, count in zip(WEEKDAYS, counts, strict=True)}

    def last_days(self, days: int) -> list[int]:
        """Ratings of each of the last days up to the newest rating's, oldest first."""
        return [int(count) for count in self.per_day[-days:]]

    def histogram(self) -> dict[str, int]:
        """Ratings by stars, those that occur, ascending: ``{"0.5": 3, "4": 1}``."""
        occurring = np.flatnonzero(self.per_tenth)
        return {f"{tenths / 10:g}": int(self.per_tenth[tenths]) for tenths in occurring}


def star_values() -> NDArray[np.float32]:
    """Stars by tenths, shape ``(TENTHS,)``, as ``RatingTable.rating`` holds them."""
    return (np.arange(TENTHS) / np.float32(10)).astype(np.float32)


@dataclass(frozen=True)
class FileAccount:
    """What became of one file's rows: ``read = loaded + rejected + duplicate``."""

    role: str
    """``movies`` or ``ratings``; ``items``, ``users`` or ``events``."""

    name: str
    """The file's name as the user gave it, without credentials."""

    sha256: str
    """Hex digest of the file's bytes, after decompression."""

    read: int
    """Records after the header, blank lines left out."""

    loaded: int
    """Rows of this file that the tables hold as given."""

    rejected: int
    """Rejected rows, each with its line and reason."""

    duplicate: int
    """Rows that repeat another one, or that a later rating of the same pair outdates."""

    already_loaded: bool = False
    """The tables held this file before; the counts are those of that earlier load."""


@dataclass(frozen=True)
class Reading:
    """The tables of one dataset at one moment: each rating's movie is in the catalogue."""

    ratings: RatingTable
    movies: MovieTable
    files: tuple[FileAccount, ...]
    """The files that these rows came from, oldest first."""


@dataclass(frozen=True)
class Rejection:
    """A rejected row, or one that was loaded and deserves a look."""

    file: str
    """The file's name, as in its account."""

    line: int
    """1-based physical line on which the row begins."""

    reason: str
    """What is wrong, in words."""


@dataclass(frozen=True)
class LoadAccount:
    """What one load did, file by file."""

    files: tuple[FileAccount, ...]
    """One account a file, movies first."""

    rejections: tuple[Rejection, ...]
    """The first rejected rows of each file; ``rejected_rows`` holds all of them."""

    notes: tuple[Rejection, ...] = ()
    """Rows that were loaded and deserve a look, such as a genre that differs in case only."""


def pair_order(user_id: NDArray[np.int64], movie_id: NDArray[np.int64]) -> NDArray[np.intp] | None:
    """The permutation that sorts pairs of positive ids; None when they are in order.

    Args:
        user_id: shape ``(n,)``.
        movie_id: shape ``(n,)``.

    Returns:
        shape ``(n,)``. Runs that are in order make it quick: a stable sort merges them.
    """
    ascending = (user_id[1:] > user_id[:-1]) | (
        (user_id[1:] == user_id[:-1]) & (movie_id[1:] >= movie_id[:-1])
    )
    if bool(ascending.all()):
        return None
    span = int(movie_id.max()) + 1
    if int(user_id.max()) < (1 << 63) // span:
        return np.argsort(user_id * span + movie_id, kind="stable")
    return np.lexsort((movie_id, user_id))


@dataclass(frozen=True)
class EventTable:
    """Events in the order of (user_row, item_row)."""

    user_row: NDArray[np.int32]
    """shape ``(n,)``, the user's row in the dictionary."""

    item_row: NDArray[np.int32]
    """shape ``(n,)``, the item's row in the dictionary."""

    type: NDArray[np.int16]
    """shape ``(n,)``, the type's number."""

    value: NDArray[np.float64]
    """shape ``(n,)``, NaN where an event has none."""

    at: NDArray[np.int64]
    """shape ``(n,)``, microseconds since 1970-01-01 UTC."""

    def __len__(self) -> int:
        return len(self.user_row)

    def cut(self, begin: int, end: int | None = None) -> "EventTable":
        """The rows from ``begin`` up to ``end``."""
        return EventTable(*(column[begin:end] for column in vars(self).values()))

    def followed_by(self, other: "EventTable") -> "EventTable":
        """These rows and then the others."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return EventTable(*map(np.concatenate, pairs))


@dataclass(frozen=True, eq=False)
class EventTally(RatingTally):
    """Numbers about the events of one reading. A rating here is a pair of user and item."""

    positives: int
    """Pairs that count as a full positive."""

    types: dict[str, int]
    """Events by type, those that occur."""

    def at_least(self, stars: float) -> int:  # noqa: ARG002 - what counts was decided by type
        """Pairs that count as a full positive, whatever ``stars``."""
        return self.positives

    def histogram(self) -> dict[str, int]:
        """Events by type."""
        return self.types
