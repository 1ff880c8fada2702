"""How much users like what they rate: a latent score, cut into stars by the published histogram."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import published

IntArray = NDArray[np.int64]
HalfStars = NDArray[np.uint8]
"""A rating in half stars: 1 for 0.5, 10 for 5.0."""

_USER_SD, _MOVIE_SD, _RATING_SD = 0.36, 0.38, 0.66
"""Spread of users, of movies and of one rating, in units of the score, whose own is about 1."""
_ACTIVE_USER_SLOPE, _POPULAR_MOVIE_SLOPE = -0.18, 0.02
"""Change of the score for each e-fold of a user's activity and of a movie's popularity."""
_MATCH = 0.35
"""Weight of taste in the score."""
_TEMPER_SD = 0.42
"""Deviation of the log factor by which a user's ratings spread more or less than another's."""
_TRADING_ROUNDS = 4
"""A round moves at most one 5.0 of each movie or user; later ones find nothing to do."""
_WHOLE_STARS_ONLY = (0.06, 0.11, 0.27, 0.34, 0.22)
"""Shares of 1 to 5 stars before half stars existed; not published, near the later whole shares."""


@dataclass(frozen=True)
class Lists:
    """Who rated what and when: ``user`` is implied by ``activity``, users one after the other.

    ``activity`` int64 ``(n_users,)``; ``movie`` int32 and ``rated_at`` int32, shape ``(n,)``.
    """

    activity: IntArray
    movie: NDArray[np.int32]
    rated_at: NDArray[np.int32]


def rate(
    lists: Lists,
    popularity: IntArray,
    movie_leanings: NDArray[np.float32],
    user_mixtures: NDArray[np.float32],
    rng: np.random.Generator,
) -> HalfStars:
    """Half stars of each rating; their histogram is the published one, scaled to the size.

    Before ``HALF_STARS_SINCE`` only whole stars appear.
    """
    user_effect = rng.normal(0, _USER_SD, lists.activity.size)
    user_effect += _ACTIVE_USER_SLOPE * np.log(lists.activity / 71)
    movie_effect = rng.normal(0, _MOVIE_SD, popularity.size)
    movie_effect += _POPULAR_MOVIE_SLOPE * np.log(np.maximum(popularity, 1) / 5_000)
    temper = np.exp(rng.normal(0, _TEMPER_SD, lists.activity.size) - _TEMPER_SD**2)
    score = _scores(
        lists.activity,
        lists.movie,
        user_effect,
        temper,
        movie_effect,
        (_MATCH * movie_leanings).astype(np.float32),
        user_mixtures,
        _RATING_SD,
        rng,
    )
    early = lists.rated_at < published.HALF_STARS_SINCE
    whole = _apportion(np.array(_WHOLE_STARS_ONLY), int(early.sum()))
    early_histogram = np.zeros(10, np.int64)
    early_histogram[1::2] = whole
    stars = np.empty(score.size, np.uint8)
    stars[early] = _cut(score[early], early_histogram)
    every = _apportion(np.array(published.HISTOGRAM) / published.RATINGS, score.size)
    stars[~early] = _cut(score[~early], _without(every, early_histogram))
    _settle_fives(stars, lists, rng)
    return stars


def _apportion(shares: NDArray[np.float64], total: int) -> IntArray:
    """Whole numbers in the given shares that sum to ``total``: largest remainders go up."""
    exact = shares / shares.sum() * total
    counts = np.floor(exact).astype(np.int64)
    up = np.argsort(counts - exact, kind="stable")[: total - int(counts.sum())]
    counts[up] += 1
    return np.asarray(counts)


def _without(every: IntArray, taken: IntArray) -> IntArray:
    """The histogram that is left; a small cut may have taken more of a value than there is."""
    left = np.maximum(every - taken, 0)
    return _apportion(left.astype(np.float64), int(every.sum() - taken.sum()))


def _cut(score: NDArray[np.float32], histogram: IntArray) -> HalfStars:
    """Half stars by rank of the score, so many of each value."""
    ends = np.cumsum(histogram)
    stars = np.empty(score.size, np.uint8)
    stars[np.argsort(score, kind="stable")] = np.repeat(
        np.arange(1, 11, dtype=np.uint8), np.diff(ends, prepend=0)
    )
    return stars


def _settle_fives(stars: HalfStars, lists: Lists, rng: np.random.Generator) -> None:
    """Trades a few 4.0 for 5.0 until as many users, and at full scale movies, have one as published."""
    users = lists.activity.size
    user = np.repeat(np.arange(users, dtype=np.int32), lists.activity)
    wanted = round(published.USERS_WITH_FIVE * users / published.USERS)
    for _ in range(_TRADING_ROUNDS):
        _trade(stars, user, lists.movie, wanted, rng)
    if users == published.USERS:
        for _ in range(_TRADING_ROUNDS):
            _trade(stars, lists.movie, user, published.MOVIES_WITH_FIVE, rng)


def _trade(
    stars: HalfStars,
    owner: NDArray[np.int32],
    other: NDArray[np.int32],
    wanted: int,
    rng: np.random.Generator,
) -> None:
    """Makes ``wanted`` owners have a 5.0; the histogram and the others that have one stay."""
    five, four = stars == 10, stars == 8
    of_owner = np.bincount(owner[five], minlength=int(owner.max()) + 1)[owner]
    of_other = np.bincount(other[five], minlength=int(other.max()) + 1)[other]
    surplus = int((np.bincount(owner[five]) > 0).sum()) - wanted
    if surplus > 0:
        gives = _one_of_each(other, np.flatnonzero(five & (of_owner == 1) & (of_other >= 3)), rng)
        takes = rng.permutation(np.flatnonzero(four & (of_owner >= 2) & (of_other >= 1)))
    else:
        gives = _one_of_each(other, np.flatnonzero(five & (of_owner >= 3) & (of_other >= 3)), rng)
        gives = _one_of_each(owner, gives, rng)
        takes = _one_of_each(owner, np.flatnonzero(four & (of_owner == 0) & (of_other >= 1)), rng)
    trades = min(abs(surplus), gives.size, takes.size)
    stars[gives[:trades]] = 8
    stars[takes[:trades]] = 10


def _one_of_each(
    key: NDArray[np.int32], places: IntArray, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Places in random order, the first of each key only."""
    shuffled = rng.permutation(places)
    _, first = np.unique(key[shuffled], return_index=True)
    return np.asarray(shuffled[rng.permutation(first)])


@numba.njit(cache=True)
def _scores(activity, movie, of_user, temper, of_movie, leanings, mixtures, spread, rng):  # type: ignore[no-untyped-def]
    """Latent score of each rating, float32: user + temper x (movie + taste + chance)."""
    scores = np.empty(movie.size, np.float32)
    at = 0
    for user in range(activity.size):
        for _ in range(activity[user]):
            item = movie[at]
            liking = of_movie[item] + np.dot(leanings[item], mixtures[user])
            liking += spread * rng.standard_normal()
            scores[at] = of_user[user] + temper[user] * liking
            at += 1
    return scores
