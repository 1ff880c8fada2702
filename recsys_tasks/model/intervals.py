"""How sure a difference of means is: paired bootstrap over users."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Interval:
    """A difference of two means over the same users, with its 95 % interval."""

    difference: float
    """mean of the first minus mean of the second"""
    low: float
    high: float
    users: int

    def document(self) -> dict[str, float]:
        """As the manifest holds it."""
        return asdict(self)


def paired(
    first: NDArray[np.float32], second: NDArray[np.float32], seed: int, resamples: int = 1000
) -> Interval:
    """Percentile bootstrap of the mean difference, users drawn with replacement.

    Args:
        first, second: shape ``(n,)``, n >= 1; values of the same users in the same order.
        seed: the same seed gives the same interval.
        resamples: draws of n users.

    Source:
        Efron and Tibshirani, 1993, chapter 13. Users of equal difference are drawn together, which
        changes nothing but the time: the counts of a resample are multinomial.
    """
    differences = first.astype(np.float64) - second
    values, counts = np.unique(differences, return_counts=True)
    n_users = len(differences)
    draws = np.random.default_rng(seed).multinomial(n_users, counts / n_users, size=resamples)
    low, high = np.quantile(draws @ values / n_users, (0.025, 0.975))
    return Interval(float(differences.mean()), float(low), float(high), n_users)
