"""Confidence interval of a difference of means: paired bootstrap over users."""

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

    One resample is in memory at a time: 4 bytes a user for the draw, 8 for its values.

    Source:
        Efron and Tibshirani, 1993, chapter 13.
    """
    differences = first.astype(np.float64) - second
    n_users, generator = len(differences), np.random.default_rng(seed)
    means = [
        differences[generator.integers(0, n_users, n_users, dtype=np.uint32)].mean()
        for _ in range(resamples)
    ]
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(differences.mean()), float(low), float(high), n_users)
