"""Lets weights fade with age."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SECONDS_A_DAY = 86_400
LEAST_SHARE = 1e-6
"""What is left of a weight at least: what was an interaction stays one."""


def faded(weight: NDArray[Any], age: NDArray[np.int64], half_life_days: float) -> NDArray[Any]:
    """Weights that halve with each half-life.

    Args:
        weight: shape ``(n,)``, a float dtype.
        age: shape ``(n,)``, seconds.
        half_life_days: 0: the weights as they are.
    """
    if half_life_days <= 0:
        return weight
    share = 0.5 ** (np.maximum(age, 0) / (half_life_days * SECONDS_A_DAY))
    return np.asarray(weight * np.maximum(share, LEAST_SHARE))
