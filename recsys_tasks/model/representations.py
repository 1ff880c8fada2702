"""A model's users and items as plain vectors, biases folded in: a dot product is a score."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.matrices.interactions import Csr
from recsys_tasks.model.parameters import Model


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors whose dot product is the model's score, all float32.

    Args:
        users: shape ``(n_users, c + 2)``: vector, bias, 1.
        items: shape ``(n_items, c + 2)``: vector, 1, bias.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]

    @property
    def n_users(self) -> int:
        """Rows of ``users``."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Rows of ``items``."""
        return len(self.items)

    @cached_property
    def untrained(self) -> NDArray[np.intp]:
        """Items without vector and bias: never trained, and so no answer of the recommender."""
        return np.flatnonzero(~self.items[:, :-2].any(axis=1) & (self.items[:, -1] == 0))

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Scores of the users of these rows with every item, shape ``(len(users), n_items)``.

        An untrained item's is minus infinity: behind every other, and in no list, as when served.
        """
        scores: NDArray[np.float32] = self.users[users] @ self._by_column
        scores[:, self.untrained] = -np.inf
        return scores

    @cached_property
    def _by_column(self) -> NDArray[np.float32]:
        """The items' vectors as columns, copied once: BLAS takes them faster so, block after block."""
        return np.ascontiguousarray(self.items.T)


def with_biases(model: Model, features: Csr) -> Embeddings:
    """A model's embeddings with items summed from their features and biases folded in.

    Args:
        model: users and features in the order of the matrices it was trained on.
        features: CSR float32, ``(n_items, n_features)``.

    Source:
        ``LightFM.get_item_representations`` and ``get_user_representations``; the order of a
        float32 sum apart, ``users @ items.T`` is ``LightFM.predict``.
    """
    return Embeddings(
        users=np.column_stack(
            (model.user_embeddings, model.user_biases, np.ones_like(model.user_biases))
        ),
        items=item_rows(features @ model.feature_embeddings, features @ model.feature_biases),
    )


def item_rows(vectors: NDArray[np.float32], biases: NDArray[np.float32]) -> NDArray[np.float32]:
    """Item vectors, a one and their biases side by side, shape ``(n_items, c + 2)``."""
    return np.column_stack((vectors, np.ones_like(biases), biases))


def embedding_facts(embeddings: Embeddings) -> dict[str, float]:
    """What the gate asks of the vectors themselves.

    Returns:
        ``finite`` (1 or 0); ``max_norm`` of any row; ``effective_rank``: exp of the entropy of the
        item vectors' normalised singular values after centring, 1 when all lie on a line, 0 when
        all are the same.

    Source:
        Roy and Vetterli, 2007, "The effective rank".
    """
    finite = bool(np.isfinite(embeddings.users).all() and np.isfinite(embeddings.items).all())
    if not finite:
        return {"finite": 0.0, "max_norm": 0.0, "effective_rank": 0.0}
    vectors = embeddings.items[:, :-2].astype(np.float64)
    norms = [np.linalg.norm(rows, axis=1).max() for rows in (embeddings.users, embeddings.items)]
    return {
        "finite": 1.0,
        "max_norm": float(max(norms)),
        "effective_rank": _effective_rank(vectors - vectors.mean(axis=0)),
    }


def _effective_rank(centred: NDArray[np.float64]) -> float:
    squares = np.linalg.eigvalsh(centred.T @ centred)
    singular = np.sqrt(np.maximum(squares, 0))
    total = singular.sum()
    if not total > 1e-9:
        return 0.0
    shares = singular[singular > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))
