"""The largest eigenvalues of A'A and their vectors, by passes over A that keep to the items' memory.

Block subspace iteration from random columns, some more than asked for; each pass multiplies the
block by A'A and makes its columns orthonormal again. The last pass solves the small problem within
the block.

Source:
    Halko, Martinsson and Tropp, 2011, "Finding structure with randomness", algorithm 4.4 with
    Rayleigh-Ritz at its end. Columns are made orthonormal through their Gram matrix, in float64, as
    in Stathopoulos and Wu, 2002, "A block orthogonalization procedure with constant synchronization
    requirements".
"""

from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsys_tasks.errors import TrainingRefused

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

OVERFETCH = 20
"""Columns beyond those asked for, at least: they make the asked ones converge faster."""

WHOLE = 64
"""The number of columns is a multiple of this, for the kernel."""

CHUNK = 8192
"""Rows of a block that are in float64 at a time."""

DEPENDENT = 1e-11
"""Share of the columns' mean square below which a direction is rounding, and is left out."""

WIDE = 1e6
"""Ratio of the largest to the smallest mean square from which columns are made orthonormal once more:
up to it, rounding in float32 leaves them within 1e-4 of it."""


class Symmetric(Protocol):
    """A positive semidefinite matrix, by its products."""

    @property
    def size(self) -> int:
        """Rows and columns."""
        ...

    def times(self, block: Floats) -> Floats:
        """The matrix times a block of columns."""
        ...


class Eigen(NamedTuple):
    """Eigenvalues, largest first, and their vectors.

    Args:
        values: float64 ``(d,)``, all >= 0.
        vectors: float32 ``(size, d)``; orthonormal columns, each with its entry of the largest size
            above zero. Where the matrix has a lower rank, the columns beyond it are zero.
    """

    values: Doubles
    vectors: Floats


def columns_for(components: int, size: int) -> int:
    """Columns of the block that so many components need."""
    return min(-(-(components + OVERFETCH) // WHOLE) * WHOLE, size)


def random_block(size: int, columns: int, seed: int) -> Floats:
    """Where the iteration begins: orthonormal columns in random directions, ``(size, columns)``."""
    generator = np.random.default_rng(seed)
    return orthonormal(generator.standard_normal((size, columns), dtype=np.float32))


def improved(matrix: Symmetric, block: Floats) -> Floats:
    """The block after one more pass: multiplied, and orthonormal."""
    return orthonormal(matrix.times(block))


def solved(matrix: Symmetric, block: Floats, components: int) -> Eigen:
    """The eigenpairs within a block of orthonormal columns; takes one more pass."""
    multiplied = matrix.times(block)
    with _one_blas_thread():
        inner = product(block, multiplied)
        values, rotation = _eigh((inner + inner.T) / 2)
        best = np.argsort(-values, kind="stable")[:components]
        vectors = rotated(block, rotation[:, best])
    vectors *= _signs(vectors)
    return Eigen(np.maximum(values[best], 0), vectors)


def orthonormal(block: Floats) -> Floats:
    """Orthonormal columns with the same span; zero columns where it has fewer dimensions.

    Raises:
        TrainingRefused: NaN or infinity in the block.
    """
    lengths = np.sqrt(np.einsum("ij,ij->j", block, block, dtype=np.float64))
    if not np.isfinite(lengths).all():
        raise TrainingRefused("ridge-svd: its vectors became NaN or infinite")
    factors = 1 / np.where(lengths > 0, lengths, 1)
    found: Floats = block * factors.astype(np.float32)
    spread = np.inf
    with _one_blas_thread():
        while spread > WIDE:
            values, rotation = _eigh(product(found, found))
            counts = values > DEPENDENT * max(values[-1], 0)
            factors = np.where(counts, 1 / np.sqrt(np.where(counts, values, 1)), 0)
            found = rotated(found, rotation * factors)
            spread = values[-1] / values[counts].min(initial=np.inf)
    return found


def product(left: Floats, right: Floats) -> Doubles:
    """``left.T @ right`` in float64, summed over chunks of rows in their order."""
    total = np.zeros((left.shape[1], right.shape[1]))
    for start in range(0, len(left), CHUNK):
        rows = slice(start, start + CHUNK)
        total += left[rows].T.astype(np.float64) @ right[rows].astype(np.float64)
    return total


def rotated(block: Floats, rotation: Doubles) -> Floats:
    """``block @ rotation`` in float32, chunk by chunk of rows."""
    found = np.empty((len(block), rotation.shape[1]), np.float32)
    small = rotation.astype(np.float32)
    for start in range(0, len(block), CHUNK):
        rows = slice(start, start + CHUNK)
        found[rows] = block[rows] @ small
    return found


def _one_blas_thread() -> AbstractContextManager[object]:
    """Keeps BLAS to the caller's thread: equal bytes for any number of cores, no waiting on a busy one."""
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def _eigh(matrix: Doubles) -> tuple[Doubles, Doubles]:
    """Eigenvalues, smallest first, and vectors of a small symmetric matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return values, vectors


def _signs(vectors: Floats) -> Floats:
    """1 or -1 for each column: what makes its entry of the largest size positive."""
    largest = np.abs(vectors).argmax(axis=0)
    signs: Floats = np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1, 1)
    return signs.astype(np.float32)
