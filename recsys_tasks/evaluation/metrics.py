"""Metrics of a ranked list, for each user, with formula and source.

Each function takes the ``Ranks`` of one view and returns one float64 a user of that view, in the
order of ``Ranks.users``. The average is over the users with a positive in the view, as in
``lightfm.evaluation`` with ``preserve_rows=False``. Ranks are 0-based and ties count against the
model: items of equal score come before the positive.
"""

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.evaluation.ranking import NOBODY, Ranks

FloatArray = NDArray[np.float64]


def precision_at_k(ranks: Ranks, k: int) -> FloatArray:
    """Share of the first ``k`` places that hold a positive.

    Source:
        ``lightfm.evaluation.precision_at_k``; RecTools ``Precision``.
    """
    return _hits(ranks, k) / k


def recall_at_k(ranks: Ranks, k: int) -> FloatArray:
    """Share of the positives that are among the first ``k`` places.

    Source:
        ``lightfm.evaluation.recall_at_k``; RecTools ``Recall``.
    """
    return np.asarray(_hits(ranks, k) / np.diff(ranks.indptr))


def hit_rate_at_k(ranks: Ranks, k: int) -> FloatArray:
    """1 where any positive is among the first ``k`` places, else 0.

    Source:
        RecTools ``HitRate``.
    """
    return (_hits(ranks, k) > 0).astype(np.float64)


def ndcg_at_k(ranks: Ranks, k: int) -> FloatArray:
    """Discounted gain of the first ``k`` places over the best that the user's positives allow.

    ``sum(1 / log2(rank + 2))`` over positives of rank < k, divided by the same sum with the
    positives at ranks 0 to min(k, positives) - 1.

    Source:
        Järvelin and Kekäläinen, 2002, binary gains; RecTools ``NDCG(divide_by_achievable=True)``.
    """
    gains = np.where(ranks.values < k, 1.0 / np.log2(ranks.values + 2.0), 0.0)
    ideal = np.concatenate(([0.0], np.cumsum(1.0 / np.log2(np.arange(k) + 2.0))))
    return _summed(ranks, gains) / ideal[np.minimum(np.diff(ranks.indptr), k)]


def average_precision_at_k(ranks: Ranks, k: int) -> FloatArray:
    """Precision at the place of each positive of rank < k, summed, over the number of positives.

    Its mean over users is MAP@k.

    Source:
        RecTools ``MAP`` with its default ``divide_by_k=False``.
    """
    precision = (_order(ranks) + 1.0) / (ranks.values + 1.0)
    return _summed(ranks, np.where(ranks.values < k, precision, 0.0)) / np.diff(ranks.indptr)


def reciprocal_rank(ranks: Ranks) -> FloatArray:
    """1 / (1 + rank) of the best positive, however far down.

    Source:
        ``lightfm.evaluation.reciprocal_rank``.
    """
    return np.asarray(1.0 / (1.0 + ranks.values[ranks.indptr[:-1]]), dtype=np.float64)


def auc(ranks: Ranks) -> FloatArray:
    """Probability that a positive scores above a negative of the user; 0.5 where there is no negative.

    Source:
        ``lightfm.evaluation.auc_score``: the positives that stand before a positive are taken off
        its rank, which leaves the negatives that do. Where positives tie with each other LightFM
        counts them as negatives, and can fall below 0; here they are taken off as well.
    """
    negatives = np.maximum(ranks.n_negatives, 1)
    before = (ranks.values - _last_of_its_tie(ranks)).astype(np.float64)
    mean_before = _summed(ranks, before) / np.diff(ranks.indptr)
    return np.where(ranks.n_negatives > 0, 1.0 - mean_before / negatives, 0.5)


def measure(ranks: Ranks, ks: tuple[int, ...]) -> dict[str, FloatArray]:
    """Every metric by its name in the manifest, one value a user."""
    at_k = {
        f"{name}_at_{k}": metric(ranks, k)
        for name, metric in {
            "precision": precision_at_k,
            "recall": recall_at_k,
            "ndcg": ndcg_at_k,
            "map": average_precision_at_k,
            "hit_rate": hit_rate_at_k,
        }.items()
        for k in ks
    }
    return {**at_k, "mrr": reciprocal_rank(ranks), "auc": auc(ranks)}


def coverage(lists: NDArray[np.int32], n_items: int) -> float:
    """Share of the catalogue that is in anyone's list.

    Args:
        lists: int32, shape ``(n_users, k)``, items by row; ``NOBODY`` where a list ends early.
        n_items: size of the catalogue, >= 1.

    Source:
        RecTools ``CatalogCoverage``, normalised.
    """
    return float((_exposure(lists, n_items) > 0).mean())


def exposure_gini(lists: NDArray[np.int32], n_items: int) -> float:
    """Gini coefficient of how often each item of the catalogue is shown: 0 all alike, near 1 one item.

    Source:
        Fleder and Hosanagar, 2009: ``sum((2 i - n - 1) x_i) / (n sum(x))``, x ascending, i from 1.
    """
    shown = np.sort(_exposure(lists, n_items)).astype(np.float64)
    if not shown.sum():
        return 0.0
    weights = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float(weights @ shown / (n_items * shown.sum()))


def novelty(lists: NDArray[np.int32], item_counts: NDArray[np.int64], n_users: int) -> FloatArray:
    """Mean self-information of each user's list, in bits: ``-log2(users of the item / all users)``.

    Args:
        lists: int32, shape ``(n, k)``, items by row.
        item_counts: shape ``(n_items,)``, training positives of each item; 0 counts as 1.
        n_users: users with a training positive, >= 1.

    Returns:
        shape ``(n,)``; 0 for an empty list.

    Source:
        RecTools ``MeanInvUserFreq``.
    """
    bits = -np.log2(np.maximum(item_counts, 1) / n_users)
    listed = lists != NOBODY
    total = np.where(listed, bits[lists], 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(listed.sum(axis=1), 1))


def _hits(ranks: Ranks, k: int) -> FloatArray:
    """Positives among the first ``k`` places."""
    return _summed(ranks, (ranks.values < k).astype(np.float64))


def _summed(ranks: Ranks, values: FloatArray) -> FloatArray:
    """Sum of the values of each user's positives."""
    if not len(ranks.users):
        return np.zeros(0)
    return np.add.reduceat(values, ranks.indptr[:-1])


def _order(ranks: Ranks) -> NDArray[np.int64]:
    """Place of each positive among its user's own: 0 for the best."""
    counts = np.diff(ranks.indptr)
    return np.arange(len(ranks.values)) - np.repeat(ranks.indptr[:-1], counts)


def _last_of_its_tie(ranks: Ranks) -> NDArray[np.int64]:
    """Place, among its user's own, of the last positive that ties with each: how many stand before it."""
    owner = np.repeat(np.arange(len(ranks.users)), np.diff(ranks.indptr))
    ends = np.ones(len(ranks.values), dtype=np.bool_)
    ends[:-1] = (np.diff(ranks.values) != 0) | (np.diff(owner) != 0)
    group: NDArray[np.int64] = np.cumsum(ends) - ends
    return np.asarray(_order(ranks)[np.flatnonzero(ends)[group]])


def _exposure(lists: NDArray[np.int32], n_items: int) -> NDArray[np.int64]:
    """How often each item is in a list."""
    return np.bincount(lists[lists != NOBODY], minlength=n_items)
