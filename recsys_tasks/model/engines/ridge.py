"""The engine ridge-svd: a closed form in some passes over the interactions, see ``model.ridge_svd``."""

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.history_map import SumPart
from recsys_tasks.config.interruption import held
from recsys_tasks.config.settings import RidgeSvdSettings, TrainSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.matrices.parts import InMemory, Parts, Threads, map_parts
from recsys_tasks.model.engines.gram import Gram
from recsys_tasks.model.engines.protocol import Checkpoints, Fitted, Validate
from recsys_tasks.model.engines.ridge_svd import Passes, RidgeSvd, decompose, ridge_svd, scaled_gram
from recsys_tasks.model.engines.subspace import Eigen, columns_for
from recsys_tasks.model.parameters import Model

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class RidgeSvdEngine:
    """Ridge regression of every item on all; no epochs, no learning rate, nothing to go on from.

    Args:
        settings: the section ``ridge_svd``, and the seed.
    """

    settings: TrainSettings

    @property
    def chooses(self) -> bool:
        """Nothing: its settings are given."""
        return False

    def fit(
        self,
        train: Interactions,
        features: Csr,
        validate: Validate | None = None,
        checkpoints: Checkpoints | None = None,
        start: Model | None = None,  # noqa: ARG002  (a closed form starts from nothing)
    ) -> Fitted:
        """See ``Engine``; ``validate`` scores the result."""
        found = self.decomposed(train, features, checkpoints).cut(
            self.settings.ridge_svd.components
        )
        fitted = alone(found, history_of(train), features, self.settings)
        if validate is None:
            return fitted
        return replace(fitted, validation=validate(fitted.model, fitted.sums).validation)

    def fit_parts(
        self, histories: Parts[Csr], features: Csr, checkpoints: Checkpoints | None = None
    ) -> Fitted:
        """The same fit of histories by part: no user and no interaction outlives its part.

        Args:
            histories: CSR float32 ``(n_users, n_items)``, weights in (0, 1].
            features: as of ``fit``.
            checkpoints: as of ``fit``.

        Returns:
            a model without users: their vectors are the sums that ``Fitted.sums`` makes of histories.

        Raises:
            TrainingRefused: as ``fit``.
        """
        decomposed = self._decomposed(histories, features, checkpoints)
        found = decomposed.cut(self.settings.ridge_svd.components)
        nobody = np.zeros((0, found.items.shape[1]), np.float32)
        return _fitted(found, nobody, features, self.settings)

    def decomposed(
        self, train: Interactions, features: Csr, checkpoints: Checkpoints | None = None
    ) -> "Decomposed":
        """What every model up to the settings' width is cut from; its passes are kept and resumed."""
        return self._decomposed(InMemory((history_of(train),)), features, checkpoints)

    def _decomposed(
        self, histories: Parts[Csr], features: Csr, checkpoints: Checkpoints | None
    ) -> "Decomposed":
        wanted = self.settings.ridge_svd
        gram = scaled_gram(histories, categories_of(features), wanted, wanted.threads)
        fingerprint = _fingerprint(histories, features, self.settings)

        def keep(state: Passes) -> None:
            stops = interruption.asked
            if checkpoints is not None:
                arrays = {"fingerprint": np.array(fingerprint), "block": state.block}
                checkpoints.save(state.number, arrays | {"number": np.array(state.number)})
            if stops:
                raise KeyboardInterrupt

        width = min(wanted.components, gram.size)
        block = (gram.size, columns_for(width, gram.size))
        done = _resumed(checkpoints, fingerprint, block)
        with held() as interruption:
            found = decompose(gram, wanted, width, self.settings.seed, done, keep)
        return Decomposed(found, gram, wanted)


class Decomposed(NamedTuple):
    """One decomposition, and the models of every smaller width in it."""

    found: Eigen
    gram: Gram
    settings: RidgeSvdSettings

    def cut(self, components: int) -> RidgeSvd:
        """The model of so many components, or of as many as there are."""
        narrower = self.settings.model_copy(update={"components": components})
        return ridge_svd(self.found, self.gram, narrower)


def alone(found: RidgeSvd, history: Csr, features: Csr, settings: TrainSettings) -> Fitted:
    """A linear model as a fit that nothing else is part of."""
    users = found.users(history, settings.ridge_svd.threads)
    return _fitted(found, users, features, settings)


def _fitted(found: RidgeSvd, users: Floats, features: Csr, settings: TrainSettings) -> Fitted:
    return Fitted(
        without_biases(users, item_features(found, features)),
        settings.ridge_svd.iterations,
        (),
        settings,
        sums=SumPart(found.item_scale, found.base),
        facts=singular_facts(found) | {"loss": "ridge", "reproducible": True},
    )


def _fingerprint(histories: Parts[Csr], features: Csr, settings: TrainSettings) -> str:
    """Sha256 over everything that decides what a fit learns, the parts' bounds among it."""
    digest = hashlib.sha256(json.dumps(settings.model_dump(), sort_keys=True).encode())
    for part in map_parts(_digest, histories, add, Threads(settings.ridge_svd.threads)):
        digest.update(part)
    digest.update(b"".join(_digest(features)))
    return digest.hexdigest()


def _digest(matrix: Csr) -> list[bytes]:
    digest = hashlib.sha256(repr(matrix.shape).encode())
    for array in (matrix.indptr, matrix.indices, matrix.data):
        digest.update(np.ascontiguousarray(array).data)
    return [digest.digest()]


def _resumed(
    checkpoints: Checkpoints | None, fingerprint: str, shape: tuple[int, int]
) -> Passes | None:
    """Where an earlier try got to, if it is this fit's own and whole; else the fit begins anew."""
    arrays = checkpoints.load() if checkpoints is not None else None
    if arrays is None:
        return None
    try:
        own, state = (
            str(arrays["fingerprint"]) == fingerprint,
            Passes(int(arrays["number"]), arrays["block"]),
        )
    except (LookupError, ValueError, TypeError) as error:
        log.warning("the checkpoint is damaged (%r): beginning anew", error)
        return None
    if not (own and state.block.shape == shape and np.isfinite(state.block).all()):
        log.warning("the checkpoint is of other data or settings, or damaged: beginning anew")
        return None
    log.info("resuming after pass %d", state.number)
    return state


def history_of(train: Interactions) -> Csr:
    """The weighted interactions by user, indices ascending.

    Raises:
        TrainingRefused: there are none.
    """
    if not len(train):
        raise TrainingRefused("there are no positive interactions to train on")
    history: Csr = train.weights().tocsr()
    history.sort_indices()
    return history


def categories_of(features: Csr) -> Csr:
    """The columns of item features behind the items' own."""
    found: Csr = features[:, features.shape[0] :]
    return found


def item_features(found: RidgeSvd, features: Csr) -> Floats:
    """Vectors of the features whose weighted sums are the items' vectors, ``(n_features, d)``.

    A category's is what an item has that is known by this category alone.

    Args:
        found: the linear model.
        features: CSR ``(n_items, n_features)``: identity, then categories, these of one weight a row.
    """
    n_items = features.shape[0]
    own, categories = features.diagonal()[:, None], categories_of(features)
    shares = categories.multiply(1 / own).max() if categories.nnz else 1.0
    of_categories = found.categories * np.float32((1 + shares) / shares)
    of_items = (found.items - categories @ of_categories) / own
    rows: Floats = np.vstack((of_items, of_categories)).astype(np.float32)
    assert rows.shape[0] == features.shape[1], n_items
    return rows


def without_biases(users: Floats, features: Floats) -> Model:
    """A model of vectors alone, with no state to go on from."""
    nothing = np.zeros((0, users.shape[1]), np.float32)
    return Model(
        user_embeddings=users,
        user_biases=np.zeros(len(users), np.float32),
        feature_embeddings=features,
        feature_biases=np.zeros(len(features), np.float32),
        user_embedding_gradients=nothing,
        user_bias_gradients=nothing[:, 0],
        feature_embedding_gradients=nothing,
        feature_bias_gradients=nothing[:, 0],
    )


def singular_facts(found: RidgeSvd) -> dict[str, object]:
    """For the manifest: what the decomposition found."""
    return {
        "largest_singular_value": float(found.singular[0]),
        "smallest_singular_value": float(found.singular[-1]),
    }
