"""Reads a generated folder back and compares it, fact by fact, with MovieLens 25M as published."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import published

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROW = np.dtype([("user", "i4"), ("movie", "i4"), ("stars", "f4"), ("at", "i4")])


@dataclass(frozen=True)
class Fact:
    """One published figure beside the folder's; ``tolerance`` is absolute, 0 for an exact one."""

    name: str
    published: float
    found: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the folder's figure is within the tolerance; NaN is not."""
        return abs(self.found - self.published) <= self.tolerance

    def __str__(self) -> str:
        verdict = "ok " if self.holds else "OFF"
        return (
            f"{verdict} {self.name:<38} published {self.published:>16,.6g}"
            f"  found {self.found:>16,.6g}  within {self.tolerance:.4g}"
        )


def check(folder: Path) -> tuple[Fact, ...]:
    """Every published fact against the folder's movies.csv and ratings.csv.

    Counts over users are compared at any scale, scaled by the folder's users; what depends on how
    many users there are (rated movies, the popularity curve, movies with a 5.0) only at scale 1.
    Needs about 40 bytes of memory for each rating.
    """
    rows = np.loadtxt(folder / "ratings.csv", dtype=_ROW, delimiter=",", skiprows=1)
    user, user_counts = np.unique(rows["user"], return_counts=True)
    scale = user.size / published.USERS
    facts = [
        *_sizes(rows, scale),
        *_quantiles("ratings of a user", published.RATINGS_OF_A_USER, user_counts, scale),
        *_stars(rows, user_counts, scale),
        *_spread(rows),
        *_time(rows),
        *_movies(folder / "movies.csv"),
    ]
    if scale == 1:
        facts += _popularity(rows)
    return tuple(facts)


def _sizes(rows: NDArray[np.void], scale: float) -> list[Fact]:
    ratings = published.RATINGS * scale
    slack = 0.0 if scale == 1 else max(0.02 * ratings, 500.0)
    pairs = np.unique(rows["user"].astype(np.int64) << 32 | rows["movie"]).size
    return [
        Fact("ratings", ratings, rows.size, slack),
        Fact("repeated pairs of user and movie", 0, rows.size - pairs, 0),
    ]


def _quantiles(
    name: str, expected: tuple[int, ...], counts: NDArray[np.int64], scale: float
) -> list[Fact]:
    shown = zip(
        published.QUANTILES, expected, np.quantile(counts, published.QUANTILES), strict=True
    )
    slack = dict.fromkeys(published.QUANTILES, 0.03) | {0.0: 0.0, 1.0: 0.08}
    return [
        Fact(f"{name}, {_quantile_name(q)}", value, float(found), slack[q] * value)
        for q, value, found in shown
        if scale == 1 or q < 0.99
    ]


def _quantile_name(q: float) -> str:
    return {0.0: "min", 1.0: "max"}.get(q, f"p{q * 100:.0f}")


def _stars(rows: NDArray[np.void], user_counts: IntArray, scale: float) -> list[Fact]:
    histogram = np.bincount((rows["stars"] * 2).astype(np.int64), minlength=11)[1:]
    facts = [
        Fact(f"ratings of {stars}", share * rows.size / published.RATINGS, float(found), 1.0)
        for stars, share, found in zip(published.STARS, published.HISTOGRAM, histogram, strict=True)
    ]
    fives = _by_user(rows, (rows["stars"] == 5).astype(np.float64))
    share = fives / user_counts
    with_five = float((fives > 0).sum())
    return [
        *facts,
        Fact("users with a 5.0", round(published.USERS_WITH_FIVE * scale), with_five, 0),
        Fact("share of 5.0 of a user, mean", published.FIVE_SHARE_MEAN, float(share.mean()), 0.03),
        Fact(
            "share of 5.0 of a user, deviation", published.FIVE_SHARE_SD, float(share.std()), 0.02
        ),
    ]


def _by_user(rows: NDArray[np.void], values: FloatArray) -> FloatArray:
    """Sum of the values over each user, users ascending."""
    _, codes = np.unique(rows["user"], return_inverse=True)
    sums: FloatArray = np.bincount(codes, weights=values).astype(np.float64)
    return sums


def _spread(rows: NDArray[np.void]) -> list[Fact]:
    """Deviations of users' means, of movies' means over ratings, and of what both leave.

    What chance adds to the movies' in a small cut, where most have few ratings, is taken off.
    """
    _, user, user_counts = np.unique(rows["user"], return_inverse=True, return_counts=True)
    _, movie, movie_counts = np.unique(rows["movie"], return_inverse=True, return_counts=True)
    stars = rows["stars"].astype(np.float64)
    user_mean = np.bincount(user, weights=stars) / user_counts
    movie_mean = np.bincount(movie, weights=stars) / movie_counts
    residual = stars - user_mean[user] - movie_mean[movie] + stars.mean()
    chance = residual.var() * movie_counts.size / stars.size
    movie_sd = float(np.sqrt(max(movie_mean[movie].var() - chance, 0)))
    return [
        Fact("deviation of users' means", published.USER_MEAN_SD, float(user_mean.std()), 0.05),
        Fact(
            "deviation of movies' means over ratings",
            published.MOVIE_MEAN_SD,
            movie_sd,
            0.05,
        ),
        Fact("deviation left by both", published.RESIDUAL_SD, float(residual.std()), 0.05),
    ]


def _time(rows: NDArray[np.void]) -> list[Fact]:
    half = (rows["stars"] * 2).astype(np.int64) % 2 == 1
    early_halves = int((half & (rows["at"] < published.HALF_STARS_SINCE)).sum())
    return [
        Fact("first rating, epoch seconds", published.FIRST_RATING, int(rows["at"].min()), 0),
        Fact("last rating, epoch seconds", published.LAST_RATING, int(rows["at"].max()), 0),
        Fact("half stars before 2003-02-18", 0, early_halves, 0),
    ]


def _movies(path: Path) -> list[Fact]:
    with path.open(encoding="utf-8", newline="") as file:
        movies = list(csv.DictReader(file))
    labels = [movie["genres"].split("|") for movie in movies]
    carried = np.bincount([len(some) for some in labels], minlength=11)
    flat = [label for some in labels for label in some]
    return [
        Fact("movies in the catalogue", published.MOVIES, len(movies), 0),
        Fact("largest movie id", published.LARGEST_MOVIE_ID, int(movies[-1]["movieId"]), 0),
        *(
            Fact(f"movies with {count} genres", expected, int(carried[count]), 0)
            for count, expected in published.GENRE_COUNTS.items()
        ),
        *(
            Fact(f"movies of {label}", expected, flat.count(label), 0)
            for label, expected in published.MOVIES_OF_A_GENRE.items()
        ),
    ]


def _popularity(rows: NDArray[np.void]) -> list[Fact]:
    """The facts about movies that only hold with all users."""
    counts = np.bincount(rows["movie"])
    counts = np.sort(counts[counts > 0])[::-1]
    with_five = np.unique(rows["movie"][rows["stars"] == 5]).size
    return [
        Fact("rated movies", published.RATED_MOVIES, counts.size, 0),
        *_quantiles("ratings of a movie", published.RATINGS_OF_A_MOVIE, counts, 1.0),
        Fact("share of the top 1000", published.TOP_1000_SHARE, _share(counts, 1000), 0.01),
        Fact("share of the top 4000", published.TOP_4000_SHARE, _share(counts, 4000), 0.01),
        Fact("Gini of the movies", published.ITEM_GINI, _gini(counts), 0.003),
        Fact("movies with a 5.0", published.MOVIES_WITH_FIVE, with_five, 0),
    ]


def _share(counts: IntArray, top: int) -> float:
    return float(counts[:top].sum() / counts.sum())


def _gini(descending: IntArray) -> float:
    """Gini coefficient of counts: 0 for equal ones, near 1 when one holds all."""
    n = descending.size
    weighted = np.sum((n - np.arange(n)) * descending)
    return float(2 * weighted / (n * descending.sum()) - (n + 1) / n)
