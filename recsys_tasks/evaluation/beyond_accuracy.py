"""What lists are like beside being right: variety, popularity and balance, from the top items alone.

Each measure is a mean over the users of the test part. They cost a few sparse products of the lists, so the
size of the catalogue does not matter. Lists are int32 ``(n_users, k)``, items by row; ``NOBODY`` where a
list ends early. Categories are those of the movies' file, the same for every model: a model's own vectors would
judge the model by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys_tasks.evaluation import metrics
from recsys_tasks.evaluation.ranking import NOBODY
from recsys_tasks.matrices.interactions import Csr, Interactions

FloatArray = NDArray[np.float64]

SMOOTHING = 0.01
"""Share of the history's distribution that is mixed into the list's, so that none of its parts is 0."""


def intra_list_similarity(lists: NDArray[np.int32], categories: Csr) -> FloatArray:
    """Mean cosine similarity of the pairs of items in each list, by their categories.

    An item is a vector of zeros and ones, one for each category; without any it is like no other.
    With u the items' vectors at length 1 and m items, ``(|sum u|^2 - sum |u|^2) / (m (m - 1))``.

    Args:
        lists: items of each user.
        categories: CSR ``(n_items, n_categories)``; which elements are there counts.

    Returns:
        shape ``(n_users,)``, in [0, 1]; 0 for a list of fewer than two items.

    Source:
        Ziegler, McNee, Konstan and Lausen, 2005, "Improving Recommendation Lists Through Topic
        Diversification"; here the mean over pairs in place of their sum.
    """
    units = _rows_divided(categories, np.sqrt(np.diff(categories.indptr)))
    chosen = _as_matrix(lists, categories.shape[0])
    of_sum = (chosen @ units).power(2).sum(axis=1).A1
    of_each = chosen @ (np.diff(categories.indptr) > 0).astype(np.float64)
    m = np.diff(chosen.indptr)
    return np.asarray((of_sum - of_each) / np.maximum(m * (m - 1), 1))


def popularity_lift(
    lists: NDArray[np.int32], histories: Csr, item_counts: NDArray[np.int64]
) -> float | None:
    """How much more popular the lists are than the histories: 0 alike, 1 twice as popular.

    ``(mean popularity of a list - mean popularity of a history) / mean popularity of a history``, each
    the mean over users of the mean over their items of the number of training positives.

    Args:
        lists: items of each user.
        histories: CSR ``(n_users, n_items)``, training positives of the same users; who has none
            is left out.
        item_counts: shape ``(n_items,)``, training positives of each item.

    Returns:
        None where no user has both.

    Source:
        Abdollahpouri, Mansoury, Burke and Mobasher, 2020, "The Connection Between Popularity Bias,
        Calibration, and Fairness in Recommendation", for all users as one group.
    """
    chosen = _as_matrix(lists, len(item_counts))
    both = (np.diff(chosen.indptr) > 0) & (np.diff(histories.indptr) > 0)
    if not both.any():
        return None
    shown, liked = (
        (matrix.astype(np.bool_).astype(np.float64) @ item_counts)[both]
        / np.diff(matrix.indptr)[both]
        for matrix in (chosen, histories)
    )
    return float(shown.mean() / liked.mean() - 1)


def miscalibration(lists: NDArray[np.int32], histories: Csr, categories: Csr) -> FloatArray:
    """How far the categories of each list are from those of the user's history: 0 alike.

    The Kullback-Leibler divergence, in nats, ``sum over c of p(c) log(p(c) / q(c))``: p is the share of
    category c in the history, q that in the list with ``SMOOTHING`` of p mixed in. An item
    shares itself evenly among its categories.

    Args:
        lists: items of each user.
        histories: CSR ``(n_users, n_items)``, training positives of the same users.
        categories: CSR ``(n_items, n_categories)``; which elements are there counts.

    Returns:
        a value for each user with a category on both sides, in their order; at most -log(SMOOTHING).

    Source:
        Steck, 2018, "Calibrated Recommendations", equations 2 to 5.
    """
    shares = _rows_divided(categories, np.diff(categories.indptr))
    liked = histories.astype(np.bool_).astype(np.float64) @ shares
    shown = _as_matrix(lists, categories.shape[0]) @ shares
    both = (liked.sum(axis=1).A1 > 0) & (shown.sum(axis=1).A1 > 0)
    p, q = (
        _rows_divided(side[both], side[both].sum(axis=1).A1, side[both].data)
        for side in (liked, shown)
    )
    mixed = (SMOOTHING * p + (1 - SMOOTHING) * q).multiply(p.astype(np.bool_)).tocsr()
    mixed.sort_indices()
    p.sort_indices()
    terms = sp.csr_matrix(
        (p.data * np.log(p.data / mixed.data), p.indices, p.indptr), shape=p.shape
    )
    return np.asarray(terms.sum(axis=1).A1)


@dataclass(frozen=True, eq=False)
class ListQuality:
    """What lists are measured by.

    Args:
        histories: CSR ``(n, n_items)``, training positives of the users whose lists are measured.
        counts: int64 ``(n_items,)``, training positives of each item.
        n_users: users with a training positive.
        categories: CSR ``(n_items, n_categories)``; None: not known.
    """

    histories: Csr
    counts: NDArray[np.int64]
    n_users: int
    categories: Csr | None

    @classmethod
    def of(cls, train: Interactions, test: Csr, categories: Csr | None) -> "ListQuality":
        """Of the users of ``test``, CSR ``(n_users, n_items)``, by what was trained on."""
        histories = train.positives().csr()
        counts = np.bincount(histories.indices, minlength=train.shape[1])
        n_users = int(np.count_nonzero(np.diff(histories.indptr)))
        return cls(histories[np.diff(test.indptr) > 0], counts, n_users, categories)

    def measure(self, lists: NDArray[np.int32], ks: Sequence[int]) -> dict[str, float]:
        """Every measure at each length: ``coverage_at_10`` and so on; nothing of no lists."""
        found: dict[str, float | None] = {}
        for k in ks if len(lists) else ():
            shown = lists[:, :k]
            found[f"coverage_at_{k}"] = metrics.coverage(shown, len(self.counts))
            found[f"gini_at_{k}"] = metrics.exposure_gini(shown, len(self.counts))
            novelty = metrics.novelty(shown, self.counts, max(self.n_users, 1))
            found[f"novelty_at_{k}"] = float(novelty.mean())
            found[f"popularity_lift_at_{k}"] = popularity_lift(shown, self.histories, self.counts)
            if self.categories is not None:
                similarity = intra_list_similarity(shown, self.categories)
                found[f"intra_list_similarity_at_{k}"] = float(similarity.mean())
                apart = miscalibration(shown, self.histories, self.categories)
                found[f"miscalibration_at_{k}"] = float(apart.mean()) if len(apart) else None
        return {name: value for name, value in found.items() if value is not None}


def _as_matrix(lists: NDArray[np.int32], n_items: int) -> Csr:
    """A one for each listed item, CSR ``(n_users, n_items)``."""
    listed = lists != NOBODY
    indptr = np.concatenate(([0], np.cumsum(listed.sum(axis=1))))
    return sp.csr_matrix((np.ones(indptr[-1]), lists[listed], indptr), shape=(len(lists), n_items))


def _rows_divided(
    matrix: Csr, by: NDArray[np.floating | np.integer], data: FloatArray | None = None
) -> Csr:
    """The matrix with ``data`` (ones, if None) in its elements, each row divided by its number."""
    divided = np.repeat(1.0 / np.maximum(by, 1e-300), np.diff(matrix.indptr))
    values = divided if data is None else data * divided
    return sp.csr_matrix((values, matrix.indices, matrix.indptr), shape=matrix.shape)
