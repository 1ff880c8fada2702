"""How many ratings each user gives and each movie gets: curves through published quantiles."""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq

from benchmarks.synthetic import published

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_HUNDREDTH_MOVIE = 28_000
"""Not published: with this knot the curve meets the published shares of the top 1000 and 4000."""


def ratings_of_users(users: int) -> IntArray:
    """Ratings of each user, most active first.

    Args:
        users: how many; a cut of the published ones takes evenly spaced ranks of the same curve,
            so every cut has the same quantiles.

    Returns:
        shape ``(users,)``, at least 20 each; sums to the published total for all users.
    """
    knots = _knots(published.RATINGS_OF_A_USER, published.USERS)
    full = _counts(knots, published.RATINGS)
    ranks = (np.arange(users) + 0.5) * (published.USERS / users) - 0.5
    counts: IntArray = full[np.rint(ranks).astype(np.int64)]
    return counts


def ratings_of_movies() -> IntArray:
    """Ratings of each rated movie among all published users, most rated first."""
    knots = _knots(published.RATINGS_OF_A_MOVIE, published.RATED_MOVIES)
    return _counts({**knots, 100.0: _HUNDREDTH_MOVIE}, published.RATINGS)


def _knots(quantiles: tuple[int, ...], n: int) -> dict[float, int]:
    """The count at each rank, 1 the largest, that a quantile stands for."""
    ranks = [max(n * (1 - q), 1.0) for q in published.QUANTILES]
    return dict(zip(ranks, quantiles, strict=True))


def _counts(knots: dict[float, int], total: int) -> IntArray:
    """Descending counts, one a rank, through the knots that sum to ``total``.

    Between two knots in log rank and log count lie a straight line and a monotone cubic; the mix
    of both whose sum fits is taken, and what rounding leaves over goes to the upper middle.
    """
    ranks = sorted(knots)
    at, values = np.log(ranks), np.log([knots[rank] for rank in ranks])
    most, least = knots[ranks[0]], knots[ranks[-1]]
    rank = np.log(np.arange(1, int(ranks[-1]) + 1))
    straight, curved = np.interp(rank, at, values), PchipInterpolator(at, values)(rank)

    def mixed(share: float) -> FloatArray:
        counts = np.exp((1 - share) * straight + share * curved)
        return np.clip(counts, least, most)

    share = brentq(lambda share: mixed(share).sum() - total, 0.0, 2.0)
    counts = np.sort(np.rint(mixed(share)).astype(np.int64))[::-1]
    return _settle(counts, total)


def _settle(counts: IntArray, total: int) -> IntArray:
    """Spreads the few units that rounding left over the ranks between 2 % and 20 %."""
    missing = int(total - counts.sum())
    low, high = counts.size // 50, counts.size // 5
    step, extra = divmod(abs(missing), high - low)
    change = np.full(high - low, step)
    change[:extra] += 1
    counts[low:high] += np.sign(missing) * change
    return np.sort(counts)[::-1]
