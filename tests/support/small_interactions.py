"""Random interactions of a few users and items."""

import numpy as np

from recsys_tasks.matrices.interactions import Interactions


def random_interactions(n_users: int, n_items: int, seed: int = 0) -> Interactions:
    """Each user likes about a third of the items but the last, which nobody does; all at one time."""
    generator = np.random.default_rng(seed)
    liked = generator.random((n_users, n_items)) < 0.35
    liked[:, -1] = False
    row, col = (side.astype(np.int32) for side in np.nonzero(liked))
    n = len(row)
    weight = generator.choice([0.5, 1.0], n).astype(np.float32)
    return Interactions(
        (n_users, n_items), row, col, weight, weight == 1, np.zeros(n, dtype=np.int64)
    )
