"""What a model must beat: the popular list and random order."""

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.model.representations import Embeddings


def popular_order(train: Interactions) -> NDArray[np.int32]:
    """Items by training positives, most first; then by weaker positives; then by row. ``(n_items,)``.

    The one rule of the popular list: what is published, what is measured, and what is served.
    """
    n_items = train.shape[1]
    positives = np.bincount(train.col[train.is_positive], minlength=n_items)
    weaker = np.bincount(train.col[~train.is_positive], minlength=n_items)
    return np.lexsort((np.arange(n_items), -weaker, -positives)).astype(np.int32)


def popular(train: Interactions) -> Embeddings:
    """The popular list as a scorer: the same order for everyone, no ties.

    Scores are whole numbers, exact in float32 for catalogues below 2**24 items.
    """
    n_users, n_items = train.shape
    places = np.empty(n_items, dtype=np.float32)
    places[popular_order(train)] = np.arange(n_items, 0, -1)
    return Embeddings(np.ones((n_users, 1), dtype=np.float32), places[:, None])


def random_order(shape: tuple[int, int], seed: int) -> Embeddings:
    """A random order of all items for each user, the same for the same seed.

    Item vectors are drawn independently from one distribution, so for any user every order of the
    items is equally likely.
    """
    generator = np.random.default_rng(seed)
    n_users, n_items = shape
    return Embeddings(
        generator.standard_normal((n_users, 8), dtype=np.float32),
        generator.standard_normal((n_items, 8), dtype=np.float32),
    )
