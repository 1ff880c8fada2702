"""The plain lists that a model must beat: popular, recently popular, and random order."""

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.model.representations import Embeddings

DAY = 86_400
"""Seconds."""


def popular_order(train: Interactions) -> NDArray[np.int32]:
    """Items by training positives, most first; then by weaker positives; then by row. ``(n_items,)``.

    The one rule of the popular list: what is published, what is measured, and what is served.
    """
    n_items = train.shape[1]
    positives = np.bincount(train.col[train.is_positive], minlength=n_items)
    weaker = np.bincount(train.col[~train.is_positive], minlength=n_items)
    return np.lexsort((np.arange(n_items), -weaker, -positives)).astype(np.int32)


def recent_order(train: Interactions, days: int) -> NDArray[np.int32]:
    """Items by positives in the last days before the newest interaction; then as in the popular list."""
    n_items = train.shape[1]
    since = train.rated_at.max(initial=0) - days * DAY
    recent = train.col[train.is_positive & (train.rated_at >= since)]
    counts = np.bincount(recent, minlength=n_items)
    order = popular_order(train)
    return order[np.argsort(-counts[order], kind="stable")]


def popular(train: Interactions) -> Embeddings:
    """The popular list as a scorer."""
    return _same_for_all(popular_order(train), train.shape)


def recently_popular(train: Interactions, days: int) -> Embeddings:
    """The recently popular list as a scorer; its days end with the newest training interaction."""
    return _same_for_all(recent_order(train, days), train.shape)


def _same_for_all(order: NDArray[np.int32], shape: tuple[int, int]) -> Embeddings:
    """One order for everyone, no ties.

    Scores are whole numbers, exact in float32 for catalogues below 2**24 items.
    """
    n_users, n_items = shape
    places = np.empty(n_items, dtype=np.float32)
    places[order] = np.arange(n_items, 0, -1)
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
