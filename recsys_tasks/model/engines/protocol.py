"""The protocol of an engine: what it takes and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.history_map import SumPart
from recsys_tasks.config.settings import TrainSettings
from recsys_tasks.matrices.interactions import Arrays, Csr, Interactions
from recsys_tasks.model.parameters import Model


@dataclass(frozen=True)
class Epoch:
    """One pass over the training interactions."""

    number: int
    """1 for the first"""
    seconds: float
    """wall time of the pass, without its validation"""
    validation: float | None
    """the validation metric after it, where there is one"""
    train: float | None
    """the same metric on what the same users were trained on: how much of the gain is learnt by heart"""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A finished fit: the model, and how it came about."""

    model: Model
    epochs: int
    """passes that the model has seen; with early stopping, those of the best epoch"""
    history: tuple[Epoch, ...]
    """every pass that was validated or might have been"""
    chosen: TrainSettings
    """the settings with everything in them that validation chose: a fit with these chooses nothing more"""
    validation: float | None = None
    """the validation metric of ``model``, where there is one"""
    sums: SumPart | None = None
    """of the model's first columns, where they are sums over the history"""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """JSON values for the manifest's ``model``"""


class Checkpoints(Protocol):
    """Where a fit keeps its last state, for a retry on this machine or another."""

    def save(self, epoch: int, arrays: Arrays) -> None:
        """Keeps the state after ``epoch`` in place of the one before; always, if an interruption waits."""
        ...

    def load(self) -> Arrays | None:
        """The state kept last, or None."""
        ...

    def part(self, name: str) -> "Checkpoints":
        """The same for one of several fits that make one model."""
        ...


@dataclass(frozen=True, eq=False)
class Scored:
    """A model's metric, more is better: on the validation part, and on what its users were trained on."""

    validation: float | None = None
    train: float | None = None
    per_user: NDArray[np.float32] | None = None
    """the validation metric of each user asked, for paired comparisons"""

    @property
    def mean(self) -> float:
        """The validation metric; 0 where there is none."""
        return self.validation or 0.0


class Validate(Protocol):
    """What scores a model."""

    def __call__(self, model: Model, sums: SumPart | None = None) -> Scored:
        """The model's metrics; ``sums`` of its first columns, where they are sums over the history."""
        ...


class Draw(NamedTuple):
    """Another draw of the validation part."""

    train: Interactions
    """what is left to train on"""
    validate: Validate
    """scores a model that was trained on that"""


@runtime_checkable
class Redraws(Protocol):
    """A validation that can be drawn anew: where few users validate, one draw says little."""

    def draw(self, number: int) -> Draw | None:
        """Draw 1, 2 and so on; None: it cannot be drawn anew."""
        ...


class Engine(Protocol):
    """What makes a model of interactions and item features."""

    @property
    def chooses(self) -> bool:
        """Whether a validation part decides anything: if not, one fit on everything will do."""
        ...

    def fit(
        self,
        train: Interactions,
        features: Csr,
        validate: Validate | None = None,
        checkpoints: Checkpoints | None = None,
        start: Model | None = None,
    ) -> Fitted:
        """Trains a model.

        Args:
            train: interactions with their sample weights.
            features: CSR float32, ``(n_items, n_features)``: identity, then genres.
            validate: scores a model on the validation part; needed to choose anything.
            checkpoints: where the state after each pass is kept and looked for.
            start: a model to go on from, rows in the order of ``train`` and ``features``; engines
                without a state to go on from leave it alone.

        Raises:
            TrainingRefused: nothing to train on, weights that the engine cannot take, or parameters
                that became NaN or infinite.
        """
        ...
