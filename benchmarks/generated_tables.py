"""Generated ratings read as if they lay in tables, a range of users at a time: no Postgres, no files.

Each range has draws of its own from the seed and its number, over one catalogue, so that memory grows with
the range and not with the scale. The ratings are other ones than those that ``generate`` writes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import moments, published, stars, tastes
from benchmarks.synthetic.activity import ratings_of_movies, ratings_of_users
from benchmarks.synthetic.catalogue import Catalogue, make_catalogue
from recsys_tasks.data.tables import FileAccount, MovieTable, RatingTable
from recsys_tasks.errors import SettingsError

USERS = 8_192
"""Users of a range: 1.3 million ratings."""

BLOCK = 500_000
"""Ratings that are handed on at a time."""


class World(NamedTuple):
    """What all ranges share: the catalogue, popularity at full scale, leanings and weights of the movies."""

    catalogue: Catalogue
    popularity: NDArray[np.int64]
    leanings: NDArray[np.float32]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class GeneratedTables:
    """A catalogue and ratings at the shape of MovieLens 25M.

    Args:
        scale: users as a multiple of MovieLens 25M's.
        seed: of every draw.
    """

    scale: float
    seed: int

    def movies(self) -> MovieTable:
        """The whole catalogue, whatever the scale."""
        catalogue = self._world.catalogue
        titles = catalogue.titles(np.full(len(catalogue.movie_id), 2000, np.int64))
        genres = tuple(tuple(text.split("|")) for text in catalogue.genre_lists())
        return MovieTable(catalogue.movie_id, tuple(titles), genres)

    def stream_ratings(self, take: Callable[[RatingTable], object]) -> None:
        """Hands on all ratings, block by block, ordered by user and movie."""
        users = round(published.USERS * self.scale)
        for number, first in enumerate(range(0, users, USERS)):
            ratings = self._range(number, first, min(USERS, users - first))
            for start in range(0, len(ratings), BLOCK):
                rows = slice(start, start + BLOCK)
                take(RatingTable(*(column[rows] for column in vars(ratings).values())))

    def files(self) -> tuple[FileAccount, ...]:
        """None: nothing was loaded."""
        return ()

    def newest(self) -> int:
        """The moment of the newest rating, epoch seconds."""
        return published.LAST_RATING

    @cached_property
    def _world(self) -> "World":
        rng = np.random.default_rng(self.seed)
        catalogue, popularity = make_catalogue(rng), np.zeros(published.MOVIES, np.int64)
        popularity[: published.RATED_MOVIES] = ratings_of_movies()
        popularity = rng.permutation(popularity)
        leanings = tastes.movie_leanings(catalogue.genres, rng)
        weights = tastes.calibrated(popularity, leanings, rng)
        return World(catalogue, popularity, leanings, weights)

    def _range(self, number: int, first: int, users: int) -> RatingTable:
        """The ratings of some users who follow each other; ids count from 1."""
        catalogue, popularity, of_movies, weights = self._world
        rng = np.random.default_rng((self.seed, number))
        activity = rng.permutation(ratings_of_users(users))
        leanings = tastes.Leanings(of_movies, tastes.user_mixtures(users, rng))
        movie = tastes.draw_lists(activity, popularity, leanings, rng, weights)
        lists = stars.Lists(activity, movie, moments.rated_at(activity, rng))
        half_stars = stars.rate(lists, popularity, leanings.movies, leanings.users, rng)
        return RatingTable(
            np.repeat(np.arange(first + 1, first + users + 1, dtype=np.int64), activity),
            catalogue.movie_id[movie],
            half_stars.astype(np.float32) / np.float32(2),
            lists.rated_at.astype(np.int64),
        )


@dataclass(frozen=True)
class GeneratedDatabase:
    """What ``fit_dataset`` asks of a database, answered with generated tables.

    Args:
        tables: to be read.
    """

    tables: GeneratedTables

    @contextmanager
    def reading(self, *_: Any) -> Iterator[GeneratedTables]:
        """The tables, whatever the dataset and the moment."""
        yield self.tables

    def fetch(self, *_: Any) -> list[tuple[bool]]:
        """Whether it holds events: no."""
        return [(False,)]


def generated_database(scale: float, seed: int = 42) -> GeneratedDatabase:
    """The tables of a scale.

    Raises:
        SettingsError: a scale of fewer than two users.
    """
    if not round(published.USERS * scale) >= 2:
        raise SettingsError(f"--scale {scale} makes fewer than two users")
    return GeneratedDatabase(GeneratedTables(scale, seed))
