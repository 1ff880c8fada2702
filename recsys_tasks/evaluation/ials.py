"""iALS, matrix factorisation by alternating least squares: the baseline that vectors are held against.

The sum that it makes small, over users u and items i with vectors of their own::

    sum over what was trained on of weight * (1 - u.i)^2  +  unobserved * sum over all pairs of (u.i)^2
      + regularisation * (sum over u of (trained on of u + unobserved * items) * |u|^2
                          + sum over i of (trained on of i + unobserved * users) * |i|^2)

Source:
    Hu, Koren and Volinsky, 2008, "Collaborative Filtering for Implicit Feedback Datasets"; the form
    above and how to choose its settings: Rendle, Krichene, Zhang and Koren, 2021, "Revisiting the
    Performance of iALS on Item Recommendation Benchmarks"; conjugate gradients in the place of a
    solver: Takács, Pilászy and Tikk, 2011, "Applications of the Conjugate Gradient Method for
    Implicit Feedback Collaborative Filtering".
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.model.representations import Embeddings

Floats = NDArray[np.float32]

COMPONENTS = 64
"""Length of its vectors."""

SWEEPS = 10
"""Times that both sides are worked out."""

STEPS = 3
"""Conjugate gradients of a row in each sweep, from where the last one left it."""

SPREAD = 0.1
"""Standard deviation of a first vector's length."""

ROWS = 1024
"""Rows that a thread works on at a time."""


@dataclass(frozen=True)
class IalsSettings:
    """What is chosen for iALS."""

    unobserved: float = 0.1
    """weight of every pair, trained on or not"""
    regularisation: float = 0.01
    """of a vector, times what it has to explain"""


def fit_ials(
    train: Interactions, settings: IalsSettings, seed: int, threads: int = 1, sweeps: int = SWEEPS
) -> Embeddings:
    """Vectors of users and items; those without a training interaction are zero.

    Args:
        train: interactions; their weights are the confidence in each.
        settings: of the loss.
        seed: of the first vectors.
        threads: rows are worked on side by side; the bytes do not depend on them.
        sweeps: times that both sides are worked out.
    """
    by_user = train.weights().tocsr()
    by_item = by_user.T.tocsr()
    n_users, n_items = by_user.shape
    items = np.random.default_rng(seed).standard_normal((n_items, COMPONENTS), dtype=np.float32)
    items *= np.float32(SPREAD / np.sqrt(COMPONENTS))
    items[np.diff(by_item.indptr) == 0] = 0
    users = np.zeros((n_users, COMPONENTS), dtype=np.float32)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        for _ in range(sweeps):
            _improve_side(users, by_user, items, settings, pool)
            _improve_side(items, by_item, users, settings, pool)
        _improve_side(users, by_user, items, settings, pool)
    return Embeddings(users, items)


def _improve_side(
    rows: Floats, trained: Csr, others: Floats, settings: IalsSettings, pool: ThreadPoolExecutor
) -> None:
    """Works out one side's vectors against the other's, in place."""
    gram = np.float32(settings.unobserved) * (others.T @ others)
    explained = np.diff(trained.indptr) + settings.unobserved * len(others)
    penalties = (settings.regularisation * explained).astype(np.float32)

    def improve(first: int) -> None:
        _improve_rows(
            rows,
            first,
            min(first + ROWS, len(rows)),
            trained.indptr,
            trained.indices,
            trained.data,
            others,
            gram,
            penalties,
        )

    for _ in pool.map(improve, range(0, len(rows), ROWS)):
        pass


@njit(nogil=True, cache=True)
def _improve_rows(rows, first, last, indptr, indices, weights, others, gram, penalties):  # type: ignore[no-untyped-def]
    """Conjugate gradients on the normal equations of rows ``first`` to ``last - 1``."""
    for row in range(first, last):
        begin, end = indptr[row], indptr[row + 1]
        if begin == end:
            continue
        x, own = rows[row], others[indices[begin:end]]
        weight, penalty = weights[begin:end], penalties[row]
        residual = np.dot(weight, own) - _times(x, own, weight, gram, penalty)
        direction = residual.copy()
        square = np.dot(residual, residual)
        for _ in range(STEPS):
            if not square > np.float32(1e-20):
                break
            product = _times(direction, own, weight, gram, penalty)
            length = square / np.dot(direction, product)
            x += length * direction
            residual -= length * product
            before, square = square, np.dot(residual, residual)
            direction = residual + (square / before) * direction


@njit(nogil=True, cache=True)
def _times(x, own, weight, gram, penalty):  # type: ignore[no-untyped-def]
    """The normal equations' matrix of one row times ``x``."""
    return np.dot(gram, x) + penalty * x + np.dot(weight * np.dot(own, x), own)
