"""``generate``: synthetic ratings at the shape of MovieLens 25M, as movies.csv and ratings.csv."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import moments, published, stars, tastes
from benchmarks.synthetic.activity import ratings_of_movies, ratings_of_users
from benchmarks.synthetic.catalogue import Catalogue, make_catalogue
from recsys_tasks.errors import SettingsError

SMALLEST, LARGEST = 0.0001, 4.0
"""Bounds of the scale."""

_ROWS_AT_ONCE = 1_000_000
_README = """\
SYNTHETIC ratings. Nobody gave them and the movies do not exist.

Made by `python -m benchmarks generate --scale {scale} --seed {seed}`: {users:,} users, {movies:,} movies,
{ratings:,} ratings in the columns of MovieLens. Their counts, histogram, activity, popularity,
genres and times follow what GroupLens published about MovieLens 25M; tastes are drawn, not
observed. Good for measuring speed and memory and for testing; no finding about people or movies
can rest on them. This is not MovieLens, and must not be called so. Every title begins with
"Synthetic: ", so that the manifest of what is trained on them can count them.
"""


@dataclass(frozen=True)
class Generated:
    """What was written: the folder and the sizes of the set."""

    folder: Path
    users: int
    movies: int
    ratings: int


def generate(
    scale: float,
    seed: int,
    out: Path,
    progress: Callable[[str], None] = lambda _: None,
) -> Generated:
    """Writes movies.csv, ratings.csv and README.txt into a folder.

    The same scale and seed give the same bytes (with the same numpy). Needs about 50 bytes of
    memory for each rating, 1.3 GB at scale 1.

    Args:
        scale: users as a multiple of MovieLens 25M's 162,541; the catalogue is always whole.
        seed: of every draw.
        out: folder, made when missing; files of the same names are replaced.
        progress: told one sentence at the end of each stage.

    Raises:
        SettingsError: a scale outside ``SMALLEST`` to ``LARGEST``.
    """
    if not SMALLEST <= scale <= LARGEST:
        raise SettingsError(f"--scale takes {SMALLEST} to {LARGEST}, not {scale}")
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    catalogue = make_catalogue(rng)
    popularity = np.zeros(published.MOVIES, np.int64)
    popularity[: published.RATED_MOVIES] = ratings_of_movies()
    popularity = rng.permutation(popularity)
    activity = rng.permutation(ratings_of_users(max(round(published.USERS * scale), 2)))
    progress(f"{activity.size:,} users will give {activity.sum():,} ratings")
    leanings = tastes.Leanings(
        tastes.movie_leanings(catalogue.genres, rng), tastes.user_mixtures(activity.size, rng)
    )
    movie = tastes.draw_lists(activity, popularity, leanings, rng)
    progress("chose each user's movies")
    lists = stars.Lists(activity, movie, moments.rated_at(activity, rng))
    half_stars = stars.rate(lists, popularity, leanings.movies, leanings.users, rng)
    progress("rated them")
    _write_movies(out / "movies.csv", catalogue, _years(lists, rng))
    _write_ratings(out / "ratings.csv", catalogue, lists, half_stars, progress)
    made = Generated(out, activity.size, published.MOVIES, movie.size)
    text = _README.format(
        scale=scale, seed=seed, users=made.users, movies=made.movies, ratings=made.ratings
    )
    (out / "README.txt").write_text(text, encoding="utf-8")
    return made


def _years(lists: stars.Lists, rng: np.random.Generator) -> NDArray[np.int64]:
    """A year for each movie, not after its first rating."""
    first = np.full(published.MOVIES, published.LAST_RATING, np.int64)
    np.minimum.at(first, lists.movie, lists.rated_at)
    seen = first.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
    return np.asarray(np.maximum(seen - rng.geometric(0.08, size=seen.size) + 1, 1895))


def _write_movies(path: Path, catalogue: Catalogue, years: NDArray[np.int64]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["movieId", "title", "genres"])
        titles, genres = catalogue.titles(years), catalogue.genre_lists()
        writer.writerows(zip(catalogue.movie_id.tolist(), titles, genres, strict=True))


def _write_ratings(
    path: Path,
    catalogue: Catalogue,
    lists: stars.Lists,
    half_stars: stars.HalfStars,
    progress: Callable[[str], None],
) -> None:
    ends = np.cumsum(lists.activity)
    buffer = np.empty(_ROWS_AT_ONCE * 48, np.uint8)
    with path.open("wb") as file:
        file.write(b"userId,movieId,rating,timestamp\r\n")
        for begin in range(0, lists.movie.size, _ROWS_AT_ONCE):
            rows = slice(begin, begin + _ROWS_AT_ONCE)
            places = np.arange(begin, min(begin + _ROWS_AT_ONCE, lists.movie.size))
            user = np.searchsorted(ends, places, side="right") + 1
            movie = catalogue.movie_id[lists.movie[rows]]
            used = _print_rows(user, movie, half_stars[rows], lists.rated_at[rows], buffer)
            file.write(buffer[:used].data)
            progress(f"wrote {places[-1] + 1:,} of {lists.movie.size:,} ratings")


@numba.njit(cache=True)
def _print_rows(user, movie, half_stars, rated_at, buffer):  # type: ignore[no-untyped-def]
    """CSV text of the rows into ``buffer``; returns the number of bytes."""
    at = 0
    for row in range(user.size):
        at = _print_number(user[row], buffer, at, 44)
        at = _print_number(movie[row], buffer, at, 44)
        buffer[at] = 48 + half_stars[row] // 2
        buffer[at + 1] = 46
        buffer[at + 2] = 53 if half_stars[row] % 2 else 48
        buffer[at + 3] = 44
        at = _print_number(rated_at[row], buffer, at + 4, 13)
        buffer[at] = 10
        at += 1
    return at


@numba.njit(cache=True)
def _print_number(number, buffer, at, end):  # type: ignore[no-untyped-def]
    """Decimal digits and one byte after them; returns the next free place."""
    digits = 1
    rest = number // 10
    while rest:
        digits += 1
        rest //= 10
    for place in range(at + digits - 1, at - 1, -1):
        buffer[place] = 48 + number % 10
        number //= 10
    buffer[at + digits] = end
    return at + digits + 1
