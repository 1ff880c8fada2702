"""The values that ingestion and the database hand on: ratings, movies, and the account of a load."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
    """The catalogue, ordered by movie_id ascending."""

    movie_id: NDArray[np.int64]
    """shape ``(m,)``, external id, ascending and unique."""

    title: tuple[str, ...]
    """Title of each movie, as the file gave it."""

    genres: tuple[tuple[str, ...], ...]
    """Genres of each movie, in the file's order, without repeats; never empty."""

    def __len__(self) -> int:
        return len(self.movie_id)


@dataclass(frozen=True)
class FileAccount:
    """What became of one file's rows: ``read = loaded + rejected + duplicate``."""

    role: str
    """``movies`` or ``ratings``."""

    name: str
    """The file's name as the user gave it, without credentials."""

    sha256: str
    """Hex digest of the CSV's bytes, after decompression."""

    read: int
    """Records after the header, blank lines left out."""

    loaded: int
    """Rows of this file that the tables hold as given."""

    rejected: int
    """Rows set aside, each with its line and reason."""

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
    """A row set aside, or one that was loaded and deserves a look."""

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
    """The first rows set aside of each file; ``rejected_rows`` holds all of them."""

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
