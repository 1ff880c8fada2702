"""The same metrics for parts of the test: by the user's activity, by the item's popularity and age.

A slice of users is measured on all their test positives. A slice of items is measured on the users
with a test positive in it, only these counting as positives. All as served.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.evaluation import metrics
from recsys_tasks.evaluation.ranking import Parts, Ranking, grouped
from recsys_tasks.matrices.interactions import Csr, Interactions

ACTIVITY = {"0": (0, 0), "1-4": (1, 4), "5-19": (5, 19), "20+": (20, np.inf)}
"""Slices of users by their number of training positives, bounds included."""

HEAD = 0.5
"""Share of the training positives that the most popular items hold together, which makes them the head."""

NEWEST = 0.1
"""Share of the items with a positive that counts as the newest, by the time of their first one."""


def slice_metrics(
    ranking: Ranking, parts: Parts, masks: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Any]:
    """Precision@5, recall@10, NDCG@10 and the number of users and positives of each slice.

    Args:
        ranking: of a scorer on ``parts``.
        parts: who likes what.
        masks: for each slice, which elements of ``parts.test`` belong to it.

    Returns:
        by the slice's name; a slice without a positive holds its counts alone.
    """
    return {name: _measured(ranking, parts, mask) for name, mask in masks.items()}


def slice_masks(
    parts: Parts, train: Interactions, test: Interactions
) -> dict[str, NDArray[np.bool_]]:
    """Which test positives belong to each slice.

    Args:
        parts: made of ``train`` and ``test``.
        train: what the model was trained on.
        test: what is to be found.

    Returns:
        bool, shape ``(parts.test.nnz,)``, by name: ``users.<activity>``, ``items.head``,
        ``items.tail``, ``items.cold`` (no training interaction) and ``items.newest``.
    """
    users = np.repeat(np.arange(parts.test.shape[0]), np.diff(parts.test.indptr))
    items = parts.test.indices
    activity = np.diff(parts.train.indptr)[users]
    popularity = np.bincount(train.positives().col, minlength=train.shape[1])
    trained = np.bincount(train.col, minlength=train.shape[1]) > 0
    head = _head(popularity)
    by_activity = {
        f"users.{name}": (low <= activity) & (activity <= high)
        for name, (low, high) in ACTIVITY.items()
    }
    return {
        **by_activity,
        "items.head": head[items],
        "items.tail": (trained & ~head)[items],
        "items.cold": ~trained[items],
        "items.newest": _newest(train, test)[items],
    }


def _measured(ranking: Ranking, parts: Parts, mask: NDArray[np.bool_]) -> dict[str, Any]:
    ranks = grouped(_chosen(parts.test, mask), ranking.served[mask])
    counts = {"users": len(ranks.users), "positives": int(mask.sum())}
    if not counts["users"]:
        return counts
    return {
        **counts,
        "precision_at_5": float(metrics.precision_at_k(ranks, 5).mean()),
        "recall_at_10": float(metrics.recall_at_k(ranks, 10).mean()),
        "ndcg_at_10": float(metrics.ndcg_at_k(ranks, 10).mean()),
    }


def _chosen(positives: Csr, mask: NDArray[np.bool_]) -> Csr:
    """The elements of ``positives`` under the mask, in the same shape."""
    before = np.concatenate(([0], np.cumsum(mask)))
    parts = (positives.data[mask], positives.indices[mask], before[positives.indptr])
    return type(positives)(parts, shape=positives.shape)


def _head(popularity: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The most popular items that together hold ``HEAD`` of the positives."""
    order = np.argsort(-popularity, kind="stable")
    before = np.cumsum(popularity[order]) - popularity[order]
    head = np.zeros(len(popularity), dtype=np.bool_)
    head[order] = (before < HEAD * popularity.sum()) & (popularity[order] > 0)
    return head


def _newest(train: Interactions, test: Interactions) -> NDArray[np.bool_]:
    """The items whose first positive, in train or test, is among the youngest."""
    first = np.full(train.shape[1], np.iinfo(np.int64).max)
    for part in (train, test):
        np.minimum.at(first, part.col, part.rated_at)
    met = first < np.iinfo(np.int64).max
    newest = met.copy()
    newest[met] = first[met] >= np.quantile(first[met], 1 - NEWEST)
    return newest
