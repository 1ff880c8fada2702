"""Fits a model with whatever engine the settings name."""

from recsys_tasks.config.settings import TrainSettings
from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.model.engines import engine_for
from recsys_tasks.model.engines.protocol import Checkpoints, Fitted, Validate
from recsys_tasks.model.parameters import Model


def fit(
    train: Interactions,
    features: Csr,
    settings: TrainSettings,
    validate: Validate | None = None,
    checkpoints: Checkpoints | None = None,
    start: Model | None = None,
) -> Fitted:
    """Trains a model by the engine of ``settings``; the rest as for ``Engine.fit``."""
    return engine_for(settings).fit(train, features, validate, checkpoints, start)
