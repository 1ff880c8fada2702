"""WARP, epoch by epoch, on this project's own kernel: what LightFM's ``fit_partial`` does, faster."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys_tasks.errors import TrainingRefused
from recsys_tasks.model.engines.warp_kernel import kernel_of

Parameters = tuple[
    NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]
]
"""Vectors ``(n, c)``, biases ``(n,)`` and Adagrad's sums of squared gradients of both, C order."""

LINE = 16
"""Float32 numbers in a cache line."""

GENRES_AT_ONCE = 4
"""Rows of genres are filled up to a multiple of this, so that few kernels have to be compiled."""


@dataclass(frozen=True)
class WarpSettings:
    """Adagrad's initial step, and the negatives drawn at most for one positive."""

    learning_rate: float = 0.05
    max_sampled: int = 10


def initial_parameters(random: np.random.RandomState, rows: int, components: int) -> Parameters:
    """Where LightFM begins: small uniform vectors, no bias, sums of squares at one.

    LightFM draws the features' vectors first, then the users'.
    """
    vectors = ((random.rand(rows, components) - 0.5) / components).astype(np.float32)
    squares, bias_squares = np.ones_like(vectors), np.ones(rows, np.float32)
    return vectors, np.zeros(rows, np.float32), squares, bias_squares


class WarpEngine:
    """Everything about the training set that every epoch needs, made once.

    Args:
        interactions: COO, ``(n_users, n_items)``; each entry a positive, in LightFM's order.
        weights: float32, sample weight of each entry.
        features: CSR float32, ``(n_items, n_features)``: identity first, genres after it, these
            of one weight in each row.
        settings: what a step takes.

    Raises:
        TrainingRefused: features of another form.
    """

    def __init__(
        self,
        interactions: "sp.coo_matrix[np.float32]",
        weights: NDArray[np.float32],
        features: "sp.csr_matrix[np.float32]",
        settings: WarpSettings,
    ) -> None:
        lookup = interactions.tocsr()
        lookup.sort_indices()
        self.positives = (lookup.indptr, lookup.indices)
        self.user_of = interactions.row.astype(np.int32, copy=False)
        self.item_of = interactions.col.astype(np.int32, copy=False)
        self.weight_of = weights.astype(np.float32, copy=False)
        self.features = _item_features(features)
        self.settings = settings

    def epoch(
        self,
        users: Parameters,
        items: Parameters,
        random: np.random.RandomState,
        threads: int = 1,
    ) -> None:
        """One pass in a new random order; changes the parameters in place.

        Takes from ``random`` what LightFM takes: a shuffle, then a seed for each thread. With one
        thread the same state gives the same bytes; more threads write to the same rows without
        locks (Hogwild), as LightFM's do, and do not repeat themselves.
        """
        order = np.arange(self.user_of.size, dtype=np.int32)
        random.shuffle(order)
        seeds = random.randint(0, np.iinfo(np.int32).max, size=threads).astype(np.uint32)
        vectors, biases, squares, bias_squares = items
        width, most = vectors.shape[1], self.features.genres.shape[1]
        train = kernel_of(width, most)
        table, genres = _laid_out(vectors, biases, self.features)

        def pass_over(part: NDArray[np.int32], seed: np.uint32) -> None:
            train(
                part,
                self.user_of,
                self.item_of,
                self.weight_of,
                self.positives,
                users,
                (table, genres, self.features.n_genres, squares, bias_squares),
                np.float32(self.settings.learning_rate),
                self.settings.max_sampled,
                seed,
            )

        _run(pass_over, np.array_split(order, threads), seeds)
        vectors[:], biases[:] = table[:, :width], table[:, width]


def _run(
    pass_over: Callable[[NDArray[np.int32], np.uint32], None],
    parts: list[NDArray[np.int32]],
    seeds: NDArray[np.uint32],
) -> None:
    """Each part in a thread of its own; a single one in this thread."""
    if len(parts) == 1:
        pass_over(parts[0], seeds[0])
        return
    with ThreadPoolExecutor(len(parts)) as pool:
        for _ in pool.map(pass_over, parts, seeds):
            pass


@dataclass(frozen=True, eq=False)
class _Features:
    """Of each item: its own weight and its genres' ``(n_items, 2)``, its genres ``(n_items, most)``."""

    weights: NDArray[np.float32]
    genres: NDArray[np.uint16]
    n_genres: NDArray[np.int32]


def _laid_out(
    vectors: NDArray[np.float32], biases: NDArray[np.float32], features: _Features
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """The kernel's table, and the view of it that holds the genres."""
    (n_features, width), (n_items, most) = vectors.shape, features.genres.shape
    columns = -(-(width + 3 + (most + 1) // 2) // LINE) * LINE
    memory = np.zeros(n_features * columns + LINE, np.float32)
    begin = (-memory.ctypes.data % (4 * LINE)) // 4
    table = memory[begin : begin + n_features * columns].reshape(n_features, columns)
    table[:, :width], table[:, width] = vectors, biases
    table[:n_items, width + 1 : width + 3] = features.weights
    genres = table.view(np.uint16)[:n_items, 2 * (width + 3) :][:, :most]
    genres[:] = features.genres
    return table, genres


def _item_features(features: "sp.csr_matrix[np.float32]") -> _Features:
    """Features as the kernel wants them; genres in rows of equal length, filled up with a dummy."""
    n_items, n_features = features.shape
    features = features.sorted_indices()
    _refuse_other_shapes(features)
    first = features.indptr[:-1]
    n_genres = (np.diff(features.indptr) - 1).astype(np.int32)
    most = -(-int(n_genres.max()) // GENRES_AT_ONCE) * GENRES_AT_ONCE
    genres = np.full((n_items, most), n_features - n_items, np.uint16)
    others = np.ones(features.nnz, np.bool_)
    others[first] = False
    genres[np.arange(most) < n_genres[:, None]] = features.indices[others] - n_items
    of_genres = np.where(n_genres > 0, features.data[features.indptr[1:] - 1], 0)
    weights = np.column_stack([features.data[first], of_genres]).astype(np.float32)
    return _Features(weights, genres, n_genres)


def _refuse_other_shapes(features: "sp.csr_matrix[np.float32]") -> None:
    """Raises if a row is anything but the item itself and some genres, all of these of one weight."""
    n_items, counts = features.shape[0], np.diff(features.indptr)
    fits = counts.min(initial=1) > 0 and features.shape[1] - n_items < np.iinfo(np.uint16).max
    first = features.indptr[:-1]
    fits = fits and np.array_equal(features.indices[first], np.arange(n_items))
    fits = fits and np.count_nonzero(features.indices < n_items) == n_items
    if fits:
        of_genres = np.repeat(features.data[features.indptr[1:] - 1], counts)
        of_genres[first] = features.data[first]
        fits = np.array_equal(features.data, of_genres)
    if not fits:
        raise TrainingRefused(
            "the engine recsys takes item features of the form identity, then genres, these of one "
            "weight in each row: set train.engine to lightfm for others"
        )
