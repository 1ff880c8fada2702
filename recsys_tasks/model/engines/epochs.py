"""Fits by epochs: each is checked, logged and saved as a checkpoint.

The state of a fit is the model's arrays and the state of its random generator. A fit that resumes
from a checkpoint therefore ends, with one thread, in the same bytes as one that was never broken off.
"""

import hashlib
import json
import logging
import time
from dataclasses import dataclass

import numpy as np

from recsys_tasks.config.interruption import held
from recsys_tasks.config.settings import TrainSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Arrays, Csr, Interactions
from recsys_tasks.model.engines.protocol import Checkpoints, Epoch, Fitted, Scored, Validate
from recsys_tasks.model.engines.warp import worker_for
from recsys_tasks.model.parameters import Model

log = logging.getLogger(__name__)


FORMAT = 2
"""Of the checkpoint: one of another number is not resumed from."""


@dataclass(frozen=True)
class EpochEngine:
    """WARP and LightFM's other losses, one epoch at a time, stopping early where there is a validation part.

    Args:
        settings: loss, width, epochs, seed and the rest.
    """

    settings: TrainSettings

    @property
    def chooses(self) -> bool:
        """The number of epochs."""
        return True

    def fit(
        self,
        train: Interactions,
        features: Csr,
        validate: Validate | None = None,
        checkpoints: Checkpoints | None = None,
        start: Model | None = None,
    ) -> Fitted:
        """See ``Engine``; ``validate`` scores the model after each epoch."""
        if not len(train):
            raise TrainingRefused("there are no positive interactions to train on")
        if self.settings.patience and validate is None:
            log.info("nothing to validate on: all %d epochs will run", self.settings.epochs)
        run = _Run(train, features, self.settings, start)
        if checkpoints is not None:
            run.resume(checkpoints.load())
        with held() as interruption:
            while not (run.is_over() or interruption.asked):
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
        self.settings = settings
        self.fingerprint = fingerprint_of(train, features, settings, start)
        self.history: tuple[Epoch, ...] = ()
        self.is_first = True
        self.best: Model | None = None
        self.worker = worker_for(train, features, settings)
        if start is not None:
            self.worker.put(start)

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
        model = self.worker.model()
        scored = Scored() if validate is None else validate(model)
        self.history += (Epoch(number, seconds, scored.validation, scored.train),)
        if self.settings.patience and self._is_validated() and self._best_epoch() == number:
            self.best = model.copy()
        self._log()

    def _train_once(self, number: int) -> None:
        """The worker's pass over the interactions; parameters that diverge are a refusal."""
        try:
            self.worker.run_epoch()
        except TrainingRefused as refusal:
            raise TrainingRefused(f"epoch {number}: {refusal}") from refusal
        if not self.worker.model().is_finite():
            raise TrainingRefused(f"epoch {number} left NaN or infinite gradients or parameters")

    def result(self) -> Fitted:
        """The best epoch's model where there is one, else the last."""
        if self.best is not None:
            return self._fitted(self.best, self._best_epoch())
        return self._fitted(self.worker.model(), len(self.history))

    def _fitted(self, model: Model, epochs: int) -> Fitted:
        chosen = self.settings.model_copy(update={"epochs": epochs, "patience": 0})
        validation = self.history[epochs - 1].validation if self.history else None
        return Fitted(model, epochs, self.history, chosen, validation)

    def to_arrays(self) -> Arrays:
        """Everything that a later process needs to go on as this one would."""
        best = self.best.to_arrays() if self.best is not None else {}
        random = self.worker.random_state.get_state(legacy=False)["state"]
        return {
            **self.worker.model().to_arrays(),
            **{f"best.{name}": array for name, array in best.items()},
            "fingerprint": np.array(self.fingerprint),
            "random_keys": random["key"],
            "random_position": np.array(random["pos"]),
            "history": np.array(
                [(e.seconds, e.validation, e.train) for e in self.history], dtype=np.float64
            ),
        }

    def resume(self, arrays: Arrays | None) -> None:
        """Goes on from a checkpoint if it is this fit's own and whole; else begins anew."""
        if arrays is None:
            return
        try:
            kept = _Kept.of(arrays)
        except (LookupError, ValueError, TypeError) as error:
            log.warning("the checkpoint is damaged (%r): beginning anew", error)
            return
        if kept.fingerprint != self.fingerprint:
            log.warning("the checkpoint is of other data or settings: beginning anew")
            return
        if not kept.model.is_finite():
            log.warning("the checkpoint holds NaN or infinite parameters: beginning anew")
            return
        self.worker.put(kept.model)
        self.worker.random_state.set_state(kept.random.get_state(legacy=False))
        self.history, self.best = kept.history, kept.best
        log.info("resuming after epoch %d of %d", len(self.history), self.settings.epochs)

    def _is_validated(self) -> bool:
        return bool(self.history) and self.history[-1].validation is not None

    def _best_epoch(self) -> int:
        """Number of the first epoch with the highest validation metric; 0 before the first."""
        scored = [(epoch.validation or 0.0, -epoch.number) for epoch in self.history]
        return -max(scored)[1] if scored else 0

    def _log(self) -> None:
        epoch = self.history[-1]
        score = "" if epoch.validation is None else f", validation {epoch.validation:.4f}"
        log.info(
            "epoch %d of %d took %.2f s%s%s",
            epoch.number,
            self.settings.epochs,
            epoch.seconds,
            self._left(epoch),
            score,
        )
        self.is_first = False

    def _left(self, epoch: Epoch) -> str:
        """How long the rest takes at most; not told by a process's first epoch, which may compile code."""
        if self.is_first:
            return ", which may include compiling; the next tells the time that is left"
        return f", at most {(self.settings.epochs - epoch.number) * epoch.seconds:.0f} s are left"


@dataclass(frozen=True, eq=False)
class _Kept:
    """What a checkpoint holds."""

    fingerprint: str
    model: Model
    best: Model | None
    random: np.random.RandomState
    history: tuple[Epoch, ...]

    @classmethod
    def of(cls, arrays: Arrays) -> "_Kept":
        """The state that ``_Run.to_arrays`` described.

        Raises:
            LookupError, ValueError, TypeError: something is missing or has another form.
        """
        random = np.random.RandomState(0)
        state = {"key": arrays["random_keys"], "pos": int(arrays["random_position"])}
        random.set_state({"bit_generator": "MT19937", "state": state})
        best = {k.removeprefix("best."): v for k, v in arrays.items() if k.startswith("best.")}
        history = tuple(
            Epoch(place, seconds, *(None if np.isnan(score) else score for score in scores))
            for place, (seconds, *scores) in enumerate(arrays["history"].tolist(), start=1)
        )
        fingerprint, model = str(arrays["fingerprint"]), Model.from_arrays(arrays)
        return cls(fingerprint, model, Model.from_arrays(best) if best else None, random, history)


def fingerprint_of(
    train: Interactions,
    features: Csr,
    settings: TrainSettings,
    start: Model | None,
) -> str:
    """Sha256 over everything that decides what a fit learns."""
    digest = hashlib.sha256(json.dumps(settings.model_dump(), sort_keys=True).encode())
    digest.update(repr((FORMAT, train.shape, features.shape)).encode())
    parts = [train.row, train.col, train.weight, features.indptr, features.indices, features.data]
    for array in parts + (list(start.to_arrays().values()) if start else []):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
