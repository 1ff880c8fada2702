"""The fit: LightFM, one epoch at a time, each of them checked, logged and saved for a retry.

The state of a fit is the model's arrays and the state of its random generator. A fit that resumes
from a checkpoint therefore ends, with one thread, in the same bytes as one that was never broken off.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from lightfm import LightFM
from numpy.typing import NDArray

from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Arrays, Csr, Interactions
from recsys_tasks.model.warp_engine import (
    Parameters,
    WarpEngine,
    WarpSettings,
    initial_parameters,
)
from recsys_tasks.settings import TrainSettings

log = logging.getLogger(__name__)

LIGHTFM_NAMES = {
    "user_embeddings": "user_embeddings",
    "user_biases": "user_biases",
    "feature_embeddings": "item_embeddings",
    "feature_biases": "item_biases",
    "user_embedding_gradients": "user_embedding_gradients",
    "user_bias_gradients": "user_bias_gradients",
    "feature_embedding_gradients": "item_embedding_gradients",
    "feature_bias_gradients": "item_bias_gradients",
}
"""Our name of each array, and LightFM's."""


@dataclass(frozen=True, eq=False)
class Model:
    """What a fit learned; ``c`` components, one row for each user and each item feature.

    All float32. The ``gradients`` are Adagrad's sums of squared gradients, which a warm start carries on.
    """

    user_embeddings: NDArray[np.float32]
    """shape ``(n_users, c)``"""
    user_biases: NDArray[np.float32]
    """shape ``(n_users,)``"""
    feature_embeddings: NDArray[np.float32]
    """shape ``(n_features, c)``"""
    feature_biases: NDArray[np.float32]
    """shape ``(n_features,)``"""
    user_embedding_gradients: NDArray[np.float32]
    """shape ``(n_users, c)``"""
    user_bias_gradients: NDArray[np.float32]
    """shape ``(n_users,)``"""
    feature_embedding_gradients: NDArray[np.float32]
    """shape ``(n_features, c)``"""
    feature_bias_gradients: NDArray[np.float32]
    """shape ``(n_features,)``"""

    def to_arrays(self) -> Arrays:
        """Plain arrays for an .npz; ``from_arrays`` gives the same model back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Model":
        """The model that ``to_arrays`` described; other arrays beside its own are left alone."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def is_finite(self) -> bool:
        """Whether no array holds a NaN or an infinity."""
        return all(bool(np.isfinite(array).all()) for array in self.to_arrays().values())


@dataclass(frozen=True)
class Epoch:
    """One pass over the training interactions."""

    number: int
    """1 for the first"""
    seconds: float
    """wall time of the pass, without its validation"""
    validation: float | None
    """the validation metric after it, where there is one"""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A finished fit: the model, and how it came about."""

    model: Model
    epochs: int
    """passes that the model has seen; with early stopping, those of the best epoch"""
    history: tuple[Epoch, ...]
    """every pass that was run"""


class Checkpoints(Protocol):
    """Where a fit keeps its last state, for a retry on this machine or another."""

    def save(self, epoch: int, arrays: Arrays) -> None:
        """Keeps the state after ``epoch`` in place of the one before."""
        ...

    def load(self) -> Arrays | None:
        """The state kept last, or None."""
        ...


Validate = Callable[[Model], float]
"""A model's score on the validation part; more is better."""


def fit(
    train: Interactions,
    features: Csr,
    settings: TrainSettings,
    validate: Validate | None = None,
    checkpoints: Checkpoints | None = None,
    start: Model | None = None,
) -> Fitted:
    """Trains a model on interactions and item features.

    Args:
        train: interactions with their sample weights.
        features: CSR float32, ``(n_items, n_features)``.
        settings: loss, width, epochs, seed and the rest.
        validate: scores the model after each epoch; needed for ``patience`` to stop early.
        checkpoints: where the state after each epoch is kept and looked for.
        start: a model to go on from, rows in the order of ``train`` and ``features``.

    Raises:
        TrainingRefused: nothing to train on, weights that the loss cannot take, or parameters that
            became NaN or infinite.
    """
    _refuse_untrainable(train, settings)
    if settings.patience and validate is None:
        log.info("nothing to validate on: all %d epochs will run", settings.epochs)
    run = _Run(train, features, settings, start)
    if checkpoints is not None:
        run.resume(checkpoints.load())
    while not run.is_over():
        run.advance(validate)
        if checkpoints is not None:
            checkpoints.save(len(run.history), run.to_arrays())
    return run.result()


class _Run:
    """A fit under way: LightFM's state, the epochs behind it and the best of them."""

    def __init__(
        self,
        train: Interactions,
        features: Csr,
        settings: TrainSettings,
        start: Model | None,
    ) -> None:
        self.features, self.settings = features, settings
        self.interactions = train.coo()
        self.weights = None if (train.weight == 1).all() else train.weights()
        self.fingerprint = _fingerprint(train, features, settings, start)
        self.history: tuple[Epoch, ...] = ()
        self.best: Model | None = None
        self.lightfm = _untrained(settings)
        self.engine = _own_engine(train, features, settings)
        if start is not None:
            _put(self.lightfm, start)

    def is_over(self) -> bool:
        """All epochs are run, or patience is at its end."""
        behind = len(self.history) - self._best_epoch()
        stops = self._is_validated() and 0 < self.settings.patience <= behind
        return stops or len(self.history) >= self.settings.epochs

    def advance(self, validate: Validate | None) -> None:
        """One more epoch, checked, validated and logged."""
        number = len(self.history) + 1
        began = time.perf_counter()
        self._train_once(number)
        seconds = time.perf_counter() - began
        model = _taken(self.lightfm)
        self.history += (Epoch(number, seconds, None if validate is None else validate(model)),)
        if self.settings.patience and self._is_validated() and self._best_epoch() == number:
            self.best = Model.from_arrays({k: v.copy() for k, v in model.to_arrays().items()})
        self._log()

    def _train_once(self, number: int) -> None:
        """The engine's pass over the interactions; parameters that diverge are a refusal."""
        if self.engine is not None:
            self._pass_of_own_engine(self.engine)
        else:
            self._pass_of_lightfm(number)
        if not _taken(self.lightfm).is_finite():
            raise TrainingRefused(f"epoch {number} left NaN or infinite gradients or parameters")

    def _pass_of_lightfm(self, number: int) -> None:
        try:
            self.lightfm.fit_partial(
                self.interactions,
                item_features=self.features,
                sample_weight=self.weights,
                num_threads=self.settings.threads,
            )
        except ValueError as refusal:  # LightFM's only word for parameters that are not finite
            raise TrainingRefused(f"epoch {number}: {refusal}") from refusal

    def _pass_of_own_engine(self, engine: WarpEngine) -> None:
        """The same on LightFM's own arrays, in place, so that all else need not know."""
        random = self.lightfm.random_state
        if self.lightfm.user_embeddings is None:
            width = self.settings.components
            items = initial_parameters(random, self.features.shape[1], width)
            users = initial_parameters(random, self.interactions.shape[0], width)
            _put(self.lightfm, _joined(users, items))
        model = _taken(self.lightfm)
        users = (
            model.user_embeddings,
            model.user_biases,
            model.user_embedding_gradients,
            model.user_bias_gradients,
        )
        items = (
            model.feature_embeddings,
            model.feature_biases,
            model.feature_embedding_gradients,
            model.feature_bias_gradients,
        )
        engine.epoch(users, items, random, self.settings.threads)

    def result(self) -> Fitted:
        """The best epoch's model where there is one, else the last."""
        if self.best is not None:
            return Fitted(self.best, self._best_epoch(), self.history)
        return Fitted(_taken(self.lightfm), len(self.history), self.history)

    def to_arrays(self) -> Arrays:
        """Everything that a later process needs to go on as this one would."""
        best = self.best.to_arrays() if self.best is not None else {}
        _, keys, position, *_ = self.lightfm.random_state.get_state()
        return {
            **_taken(self.lightfm).to_arrays(),
            **{f"best.{name}": array for name, array in best.items()},
            "fingerprint": np.array(self.fingerprint),
            "random_keys": keys,
            "random_position": np.array(position),
            "seconds": np.array([epoch.seconds for epoch in self.history]),
            "validation": np.array(
                [np.nan if e.validation is None else e.validation for e in self.history]
            ),
        }

    def resume(self, arrays: Arrays | None) -> None:
        """Goes on from a checkpoint if it is this fit's own and whole; else begins anew."""
        if arrays is None:
            return
        if str(arrays["fingerprint"]) != self.fingerprint:
            log.warning("the checkpoint is of other data or settings: beginning anew")
            return
        model = Model.from_arrays(arrays)
        if not model.is_finite():
            log.warning("the checkpoint holds NaN or infinite parameters: beginning anew")
            return
        _put(self.lightfm, model)
        self.lightfm.random_state.set_state(
            ("MT19937", arrays["random_keys"], int(arrays["random_position"]))
        )
        self.history = tuple(
            Epoch(place, seconds, None if np.isnan(validation) else validation)
            for place, (seconds, validation) in enumerate(
                zip(arrays["seconds"].tolist(), arrays["validation"].tolist(), strict=True), start=1
            )
        )
        best = {k.removeprefix("best."): v for k, v in arrays.items() if k.startswith("best.")}
        self.best = Model.from_arrays(best) if best else None
        log.info("resuming after epoch %d of %d", len(self.history), self.settings.epochs)

    def _is_validated(self) -> bool:
        return bool(self.history) and self.history[-1].validation is not None

    def _best_epoch(self) -> int:
        """Number of the first epoch with the highest validation metric; 0 before the first."""
        scored = [(epoch.validation or 0.0, -epoch.number) for epoch in self.history]
        return -max(scored)[1] if scored else 0

    def _log(self) -> None:
        epoch = self.history[-1]
        left = (self.settings.epochs - epoch.number) * epoch.seconds
        score = "" if epoch.validation is None else f", validation {epoch.validation:.4f}"
        log.info(
            "epoch %d of %d: %.2f s, at most %.0f s left%s",
            epoch.number,
            self.settings.epochs,
            epoch.seconds,
            left,
            score,
        )


def _refuse_untrainable(train: Interactions, settings: TrainSettings) -> None:
    if not len(train):
        raise TrainingRefused("there are no positive interactions to train on")
    if settings.loss == "warp-kos" and (train.weight != 1).any():
        raise TrainingRefused(
            "the loss warp-kos takes no sample weights: set positives.liked_weight to 0 or 1"
        )


def _own_engine(train: Interactions, features: Csr, settings: TrainSettings) -> WarpEngine | None:
    """This project's engine where the settings ask for it; None: LightFM does the work.

    Raises:
        TrainingRefused: a loss or a penalty that only LightFM has.
    """
    if settings.engine == "lightfm":
        return None
    if settings.loss != "warp" or settings.item_alpha or settings.user_alpha:
        raise TrainingRefused(
            "the engine recsys has the loss warp without penalties: set train.engine to lightfm, "
            "or train.loss to warp and train.item_alpha and train.user_alpha to 0"
        )
    step = WarpSettings(settings.learning_rate, settings.max_sampled)
    return WarpEngine(train.coo(), train.weight, features, step)


def _joined(users: Parameters, items: Parameters) -> Model:
    """The engine's parameters as a model."""
    return Model(
        user_embeddings=users[0],
        user_biases=users[1],
        user_embedding_gradients=users[2],
        user_bias_gradients=users[3],
        feature_embeddings=items[0],
        feature_biases=items[1],
        feature_embedding_gradients=items[2],
        feature_bias_gradients=items[3],
    )


def _untrained(settings: TrainSettings) -> LightFM:
    return LightFM(
        no_components=settings.components,
        loss=settings.loss,
        learning_rate=settings.learning_rate,
        max_sampled=settings.max_sampled,
        item_alpha=settings.item_alpha,
        user_alpha=settings.user_alpha,
        random_state=settings.seed,
    )


def _taken(lightfm: LightFM) -> Model:
    """LightFM's parameters, not copied."""
    return Model.from_arrays({ours: getattr(lightfm, its) for ours, its in LIGHTFM_NAMES.items()})


def _put(lightfm: LightFM, model: Model) -> None:
    """Copies of a model's parameters into LightFM, with Adadelta's unused momenta at zero."""
    for ours, its in LIGHTFM_NAMES.items():
        array = np.array(getattr(model, ours), dtype=np.float32, order="C")
        setattr(lightfm, its, array)
        if its.endswith("gradients"):
            setattr(lightfm, its.replace("gradients", "momentum"), np.zeros_like(array))


def _fingerprint(
    train: Interactions,
    features: Csr,
    settings: TrainSettings,
    start: Model | None,
) -> str:
    """Sha256 over everything that decides what a fit learns."""
    digest = hashlib.sha256(json.dumps(settings.model_dump(), sort_keys=True).encode())
    digest.update(repr((train.shape, features.shape)).encode())
    parts = [train.row, train.col, train.weight, features.indptr, features.indices, features.data]
    for array in parts + (list(start.to_arrays().values()) if start else []):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
