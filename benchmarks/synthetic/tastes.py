"""Who rates what: communities of taste on top of popularity, with the published margins.

Every movie leans towards some communities, by its genres and by itself; every user is a mixture of
communities. A user's list is drawn without repeats, movie by movie, with a chance proportional to
``weight of the movie x leaning towards the user's mixture``. The weights are calibrated so that the
movies' counts come out as published although no one can rate a blockbuster twice. Movies with few
ratings are dealt out exactly, so that the long tail has its published length.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import published
from benchmarks.synthetic.activity import ratings_of_users

Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]

COMMUNITIES = 8
_GENRE_PULL, _OWN_PULL = 1.2, 0.9
"""Standard deviation of a movie's leaning (a log factor) that its genres, and it alone, bring."""
_MIXTURE = 0.12
"""Dirichlet parameter of the users' mixtures: smaller means tastes further apart."""
_HEAD_FROM = 50
"""A movie with at least so many ratings at full scale is drawn by weight, others are dealt out."""
_HEAVY_FROM = 1_500
"""A user with more ratings chooses from the whole catalogue at once."""
_STRATA, _ROUNDS = 100, 15


@dataclass(frozen=True)
class Leanings:
    """Leaning of each movie and mixture of each user over the communities.

    ``movies`` float32 ``(n_movies, COMMUNITIES)``: log factors; ``users`` float32
    ``(n_users, COMMUNITIES)``: shares that sum to 1.
    """

    movies: Float32Array
    users: Float32Array


def movie_leanings(genres: NDArray[np.bool_], rng: np.random.Generator) -> Float32Array:
    """Log factor of each movie for each community, shape ``(n_movies, COMMUNITIES)``."""
    pull = rng.normal(size=(genres.shape[1], COMMUNITIES))
    shared = genres @ pull / np.sqrt(genres.sum(axis=1, keepdims=True))
    own = rng.normal(size=(len(genres), COMMUNITIES))
    leaning: Float32Array = (_GENRE_PULL * shared + _OWN_PULL * own).astype(np.float32)
    return leaning


def user_mixtures(users: int, rng: np.random.Generator) -> Float32Array:
    """Share of each community in each user, shape ``(users, COMMUNITIES)``, rows sum to 1."""
    mixtures: NDArray[np.float64] = rng.dirichlet(np.full(COMMUNITIES, _MIXTURE), size=users)
    return mixtures.astype(np.float32)


def draw_lists(
    activity: IntArray,
    popularity: IntArray,
    leanings: Leanings,
    rng: np.random.Generator,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.int32]:
    """Each user's movies, one user after the other, ascending and without repeats in each.

    Args:
        activity: shape ``(n_users,)``, ratings of each user.
        popularity: shape ``(n_movies,)``, ratings of each movie at full scale, 0 for none.
        leanings: of the same movies and users.
        rng: source of every draw.
        weights: of the movies, as ``calibrated`` gave them; None: calibrated here.

    Returns:
        shape ``(activity.sum(),)``, int32 positions in ``popularity``.
    """
    weights = calibrated(popularity, leanings.movies, rng) if weights is None else weights
    capacity = _capacity(popularity, len(activity), rng)
    offsets = np.concatenate([[0], np.cumsum(activity)])
    lists = np.full(offsets[-1], -1, np.int32)
    filled = np.zeros(len(activity), np.int64)
    factors = np.exp(leanings.movies)
    for user in np.flatnonzero(activity > _HEAVY_FROM):
        chance = weights * (factors @ leanings.users[user])
        chosen = _race(np.where(capacity > 0, chance, 0), activity[user], rng)
        lists[offsets[user] : offsets[user + 1]] = chosen
        filled[user] = activity[user]
        capacity[chosen] -= 1
    tail = np.flatnonzero((popularity > 0) & (popularity < _HEAD_FROM))
    _deal(tail, capacity[tail], activity, offsets, filled, lists, rng)
    head = np.flatnonzero(popularity >= _HEAD_FROM)
    tables = np.cumsum(weights[head, None] * factors[head], axis=0, dtype=np.float64).T.copy()
    _fill(head, tables, np.cumsum(leanings.users, axis=1), offsets, filled, lists, rng)
    return lists


def _race(chance: NDArray[np.float64], winners: int, rng: np.random.Generator) -> IntArray:
    """The first ``winners`` of exponential clocks that run at the speed of each chance."""
    with np.errstate(divide="ignore"):
        times = rng.exponential(size=chance.size) / chance
    return np.sort(np.argpartition(times, winners - 1)[:winners])


def _capacity(popularity: IntArray, users: int, rng: np.random.Generator) -> IntArray:
    """Ratings that a tail movie has among these users; a head movie takes as many as come."""
    share = users / published.USERS
    thinned = popularity if share == 1 else rng.binomial(popularity, share)
    return np.where(popularity >= _HEAD_FROM, np.iinfo(np.int64).max, thinned)


def calibrated(
    popularity: IntArray, leanings: Float32Array, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Weights under which drawing without repeats gives every movie its popularity.

    A movie is in a list of speed s with probability 1 - exp(-s * chance). Speeds (so that the
    lists have their lengths) and weights (so that the movies have their counts) are fitted in turn
    on prototype users spread over the published activity; movies of the tail stand together in
    one column for each count.
    """
    lengths, mixtures = _prototypes(rng)
    head = np.flatnonzero(popularity >= _HEAD_FROM)
    tail_counts, movies_of_count = np.unique(
        popularity[(popularity > 0) & (popularity < _HEAD_FROM)], return_counts=True
    )
    factors = np.exp(leanings[head]) @ mixtures.T
    lean = np.vstack([factors, np.full((tail_counts.size, lengths.size), factors.mean())]).T
    counts = np.concatenate([popularity[head], tail_counts]).astype(np.float64)
    many = np.concatenate([np.ones(head.size), movies_of_count])
    fitted = counts / counts.sum()
    speed = lengths.astype(np.float64)
    for _ in range(_ROUNDS):
        chance = lean * fitted
        speed *= lengths / (-np.expm1(-speed[:, None] * chance) @ many)
        reached = -np.expm1(-speed[:, None] * chance)
        fitted *= counts / (reached.mean(axis=0) * published.USERS)
    weights = np.zeros(popularity.size)
    weights[head] = fitted[: head.size]
    by_count = dict(zip(tail_counts.tolist(), fitted[head.size :].tolist(), strict=True))
    for count, weight in by_count.items():
        weights[popularity == count] = weight
    return weights


def _prototypes(rng: np.random.Generator) -> tuple[NDArray[np.float64], Float32Array]:
    """List lengths over the whole range of activity, and mixtures in which no community leads."""
    strata = ratings_of_users(_STRATA * 10).reshape(_STRATA, 10).mean(axis=1)
    mixtures = user_mixtures(_STRATA, rng)
    turned = [np.roll(mixtures, turn, axis=1) for turn in range(COMMUNITIES)]
    return np.tile(strata, COMMUNITIES), np.vstack(turned)


@numba.njit(cache=True)
def _deal(tail, capacity, activity, offsets, filled, lists, rng):  # type: ignore[no-untyped-def]
    """Gives each tail movie as many different users as it has ratings; active ones more often."""
    drawn = np.cumsum(np.where(filled == 0, activity, 0) ** 1.25)
    takers = np.empty(_HEAD_FROM, np.int64)
    for position in range(tail.size):
        taken = 0
        tries = 0
        while taken < capacity[position] and tries < 2000:
            tries += 1
            user = np.searchsorted(drawn, rng.random() * drawn[-1], side="right")
            if 2 * filled[user] >= activity[user] or user in takers[:taken]:
                continue
            takers[taken] = user
            taken += 1
            lists[offsets[user] + filled[user]] = tail[position]
            filled[user] += 1


@numba.njit(cache=True)
def _fill(head, tables, mixtures, offsets, filled, lists, rng):  # type: ignore[no-untyped-def]
    """Draws each list to its length from the head: a community by mixture, a movie by table."""
    owner = np.full(head.size, -1, np.int64)
    for user in range(offsets.size - 1):
        at, end = offsets[user] + filled[user], offsets[user + 1]
        while at < end:
            draw = rng.random() * mixtures[user, -1]
            community = np.searchsorted(mixtures[user], draw, side="right")
            table = tables[community]
            movie = np.searchsorted(table, rng.random() * table[-1], side="right")
            if owner[movie] != user:
                owner[movie] = user
                lists[at] = head[movie]
                at += 1
        lists[offsets[user] : end].sort()
