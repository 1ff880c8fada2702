"""Ridge regression of every item on all, as one dot product: a closed form that an index can serve.

EASE regresses each item on the others. Its score for an item outside the history is ridge
regression's times a factor of the item, and ridge regression is spectral: from the singular vectors
V and values s of the scaled interactions, a history's scores are ``x D V f V' D^-1`` with
``f = s² / (s² + 1)``. Cut off after some components, that is a user's vector times an item's.

Scaled means: a user of many interactions counts less (``user_scale``), an item's penalty grows with
its interactions (``dropout``) from a least one (``ridge``). Every history holds a constant item,
so that a user without any gets something like the popular list, and each category is a user who
likes all of its items, so that an item without interactions has a vector.

Source:
    Steck, 2019, "Embarrassingly Shallow Autoencoders for Sparse Data"; the dropout penalty: Steck,
    2020, "Autoencoders that don't overfit towards the Identity"; the truncation: Jin et al., 2021,
    "Towards a Better Understanding of Linear Models for Recommendation".
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.config.settings import RidgeSvdSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Csr
from recsys_tasks.matrices.parts import Parts, Runner, Threads, map_parts
from recsys_tasks.model.engines.gram import Gram, Rows, project
from recsys_tasks.model.engines.subspace import Eigen, columns_for, improved, random_block, solved

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

TINY = 1e-12
"""An eigenvalue below which a direction is taken for absent."""

LEAST_WEIGHT = 0.5
"""A user's sum of weights counts as this at least when users are scaled."""


@dataclass(frozen=True, eq=False)
class RidgeSvd:
    """A linear model: a user's vector is ``history @ (item_scale * items) + base``.

    Args:
        items: float32 ``(n_items, d)``; a user's vector times an item's is the score.
        item_scale: float32 ``(n_items,)``; what an item's vector is multiplied by in a history.
        base: float32 ``(d,)``; the vector of a user without history.
        categories: float32 ``(n_categories, d)``; what each adds to the vector of an item without
            interactions.
        singular: float64 ``(d,)``; singular values of the scaled interactions, largest first.
    """

    items: Floats
    item_scale: Floats
    base: Floats
    categories: Floats
    singular: NDArray[np.float64]

    def users(self, history: Csr, threads: int = 1) -> Floats:
        """Vectors of the users with these histories, float32 ``(n_users, d)``.

        Args:
            history: CSR float32 ``(n_users, n_items)``, weights as in training.
            threads: the bytes do not depend on them.
        """
        vectors = project(history, self.item_scale[:, None] * self.items, threads)
        vectors += self.base
        return vectors


class Passes(NamedTuple):
    """Where an iteration is: the passes behind it and the block that they led to."""

    number: int
    block: Floats


@dataclass(frozen=True, eq=False)
class UserRows:
    """The users' rows of A by part, made of their histories as they are read.

    Args:
        histories: CSR float32 ``(n_users, n_items)``, weights in (0, 1].
        constant: as of ``Rows``.
        mean: weight of a typical interaction's user.
        power: of ``user_scale``.
    """

    histories: Parts[Csr]
    constant: float
    mean: float
    power: float

    def __len__(self) -> int:
        """How many parts there are."""
        return len(self.histories)

    def read(self, number: int) -> Rows:
        """One part's rows."""
        history = self.histories.read(number)
        return Rows(history, self.constant, _row_squares(history, self.mean, self.power))


def scaled_gram(
    histories: Parts[Csr],
    categories: Csr,
    settings: RidgeSvdSettings,
    threads: int = 1,
    runner: Runner | None = None,
) -> Gram:
    """A'A of the scaled interactions and pseudo-users, whose eigenvectors make the model.

    Args:
        histories: by part, CSR float32 ``(n_users, n_items)``, weights in (0, 1].
        categories: CSR ``(n_items, n_categories)``; which elements there are counts, not their value.
        settings: of the scales and the pseudo-data.
        threads: of its products.
        runner: of its products; None: this process.

    Raises:
        TrainingRefused: nothing to learn from, or weights that are not finite and positive.
    """
    runner = runner or Threads(threads)
    count, total, squared = map_parts(_weights, histories, add, runner)
    if not count:
        raise TrainingRefused("there are no positive interactions to train on")
    users = UserRows(histories, settings.constant, squared / total, settings.user_scale)
    *norms, of_rows = map_parts(_norms, users, add, runner)
    every = np.append(norms, settings.constant**2 * of_rows)
    scale = 1 / np.sqrt(settings.ridge + settings.dropout * every)
    return Gram(
        users,
        _category_rows(categories, users, settings.category_weight),
        scale.astype(np.float32),
        runner,
        max(1, threads // len(histories)),
    )


def _category_rows(categories: Csr, users: UserRows, weight: float) -> Rows:
    """A pseudo-user for each category, who likes all of its items."""
    members = categories.T.tocsr().astype(np.float32)
    members.data[:] = 1
    squares = _row_squares(members, users.mean, users.power) * np.float32(weight)
    return Rows(members, users.constant, squares)


def _weights(history: Csr) -> NDArray[np.float64]:
    """Interactions of a part, the sum of its users' sums of weights, and the sum of their squares."""
    if not (np.isfinite(history.data).all() and (history.data > 0).all()):
        raise TrainingRefused("ridge-svd takes weights that are finite and above 0")
    sums = _row_sums(history)
    return np.array([history.nnz, sums.sum(), (sums**2).sum()])


def _norms(rows: Rows) -> NDArray[np.float64]:
    """Squared norm of each item's column in a part, then the sum of its rows' squares."""
    norms = rows.entries.power(2).T @ rows.squares
    return np.append(norms, rows.squares.sum(dtype=np.float64))


def decompose(
    gram: Gram,
    settings: RidgeSvdSettings,
    components: int,
    seed: int,
    done: Passes | None = None,
    after: Callable[[Passes], None] = lambda _: None,
) -> Eigen:
    """Leading eigenpairs of ``gram``, in ``settings.iterations`` passes; a line in the log for each.

    Args:
        gram: as ``scaled_gram`` made it.
        settings: how many passes.
        components: eigenpairs; with fewer items than that, as many as those and the constant.
        seed: of the random block that it begins with.
        done: passes that an earlier try got to.
        after: told of the state after each pass but the last, which gives the result.

    Raises:
        TrainingRefused: the products became NaN or infinite.
    """
    columns = columns_for(components, gram.size)
    done = done or Passes(0, random_block(gram.size, columns, seed))
    while done.number < settings.iterations - 1:
        began = time.perf_counter()
        done = Passes(done.number + 1, improved(gram, done.block))
        _log(done.number, settings.iterations, time.perf_counter() - began)
        after(done)
    began = time.perf_counter()
    found = solved(gram, done.block, components)
    _log(settings.iterations, settings.iterations, time.perf_counter() - began)
    return found


def ridge_svd(found: Eigen, gram: Gram, settings: RidgeSvdSettings) -> RidgeSvd:
    """The model of ``settings.components``; those of a smaller one are the first of a larger one's.

    Args:
        found: leading eigenpairs of ``gram``.
        gram: as ``scaled_gram`` made it.
        settings: the same; of more components than were found, those that were.

    Raises:
        TrainingRefused: NaN or infinity in the result.
    """
    width = settings.components
    values, vectors = found.values[:width], found.vectors[:, :width]
    filtered = values / (values + 1)
    weighted = vectors * np.sqrt(filtered).astype(np.float32)
    hat = np.einsum("ij,ij->i", weighted, weighted, dtype=np.float64)
    own = (1 - np.minimum(hat, 1 - 1e-6)) ** settings.item_factor
    scale = gram.scale.astype(np.float64)
    divisor = (scale * own)[:-1]
    model = RidgeSvd(
        items=(weighted[:-1] / divisor[:, None]).astype(np.float32),
        item_scale=(scale[:-1] * divisor).astype(np.float32),
        base=(settings.constant * scale[-1] * weighted[-1]).astype(np.float32),
        categories=_of_categories(gram, vectors, np.sqrt(filtered) / np.maximum(values, TINY)),
        singular=np.sqrt(values),
    )
    _refuse_infinite(*vars(model).values())
    return model


def _refuse_infinite(*arrays: NDArray[np.floating]) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise TrainingRefused("ridge-svd: its vectors became NaN or infinite")


def _log(number: int, of: int, seconds: float) -> None:
    left = (of - number) * seconds
    log.info("ridge-svd: pass %d of %d: %.2f s, about %.0f s left", number, of, seconds, left)


def _of_categories(gram: Gram, vectors: Floats, factors: NDArray[np.float64]) -> Floats:
    """The part of each pseudo-user in ``A'A V``, which is ``V`` times its eigenvalues."""
    members = gram.pseudo
    scaled = gram.scale[:, None] * vectors
    rows = members.entries @ scaled[:-1] + np.float32(members.constant) * scaled[-1]
    return np.asarray(members.squares[:, None] * rows * factors, np.float32)


def _row_squares(rows: Csr, mean: float, power: float) -> Floats:
    """Square of each row's factor, ``(w / mean)^-power``; an empty row's is 0.

    Args:
        rows: weights.
        mean: the users' sums of weights, weighted by themselves: what a typical interaction's user has.
        power: of the factor.
    """
    squares = (np.maximum(_row_sums(rows), LEAST_WEIGHT) / mean) ** (-2 * power)
    squares[np.diff(rows.indptr) == 0] = 0
    found: Floats = squares.astype(np.float32)
    return found


def _row_sums(rows: Csr) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = (rows @ np.ones(rows.shape[1], np.float32)).astype(np.float64)
    return sums
