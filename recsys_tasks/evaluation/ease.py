"""EASE, the closed-form item-to-item model: an upper mark where the data are small enough."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import lapack

from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Csr, Interactions


@dataclass(frozen=True, eq=False)
class Ease:
    """A fitted EASE, a ``Scorer``: ``(history @ basis) @ weights + history * own``.

    Args:
        history: CSR float32, ``(n_users, n)``; what each user is trained on, for the ``n`` items
            that have training interactions.
        basis: CSR float32, ``(n, m)``; m is n, or the number of trained users where they are fewer.
        weights: float32, ``(m, n)``.
        own: float32, shape ``(n,)``; takes an item's word for itself out again.
        items: int32, shape ``(n,)``; rows of those items in the catalogue.
        n_items: size of the catalogue.
    """

    history: Csr
    basis: Csr
    weights: NDArray[np.float32]
    own: NDArray[np.float32]
    items: NDArray[np.int32]
    n_items: int

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Scores of these users with every item; items never trained on come last, tied."""
        mine = self.history[users]
        known = (mine @ self.basis) @ self.weights + mine.toarray() * self.own
        scores = np.full((len(users), self.n_items), known.min(initial=0) - 1, dtype=np.float32)
        scores[:, self.items] = known
        return scores


def ease_bytes(train: Interactions) -> int:
    """Memory that ``fit_ease`` needs at its peak, about: two dense matrices of ``weights``' size."""
    n_users, n_items = (len(np.unique(side)) for side in (train.row, train.col))
    return 8 * min(n_users, n_items) * n_items


def fit_ease(train: Interactions, l2: float) -> Ease:
    """Regresses every item on all others, an item on itself excepted.

    Time grows with the cube of the number of trained items or users, whichever are fewer.

    Args:
        train: interactions; their weights are the values regressed.
        l2: penalty, > 0.

    Raises:
        TrainingRefused: the regularised Gram matrix is not positive definite in float32.

    Source:
        Steck, 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", equation 8. With fewer
        users than items the inverse comes from the users' side by the Woodbury identity.
    """
    items = np.flatnonzero(np.bincount(train.col, minlength=train.shape[1])).astype(np.int32)
    history = train.weights().tocsr()[:, items]
    trained = history[np.diff(history.indptr) > 0]
    if trained.shape[0] < len(items):
        basis = trained.T.tocsr()
        solved = _inverse(trained @ basis, l2) @ trained
        diagonal = 1 - trained.multiply(solved).sum(axis=0).A1
        weights, own = solved / diagonal, 1 - 1 / diagonal
    else:
        basis = sp.csr_matrix(sp.identity(len(items), dtype=np.float32))
        inverse = _inverse(trained.T.tocsr() @ trained, l2)
        weights, own = -inverse / np.diag(inverse), np.ones(len(items), dtype=np.float32)
    return Ease(
        history,
        basis,
        np.ascontiguousarray(weights, dtype=np.float32),
        own.astype(np.float32),
        items,
        train.shape[1],
    )


def _inverse(gram: Csr, l2: float) -> NDArray[np.float32]:
    """Inverse of a Gram matrix with ``l2`` on its diagonal, by Cholesky."""
    dense = np.asfortranarray(gram.toarray(), dtype=np.float32)
    dense[np.diag_indices_from(dense)] += np.float32(l2)
    factor, failed = lapack.spotrf(dense, lower=False, overwrite_a=True)
    inverse, failed_too = lapack.spotri(factor, lower=False, overwrite_c=True)
    if failed or failed_too:
        raise TrainingRefused(f"EASE: the Gram matrix is not positive definite with l2 {l2:g}")
    upper = np.triu(inverse)
    return np.asarray(upper + np.triu(upper, 1).T)
