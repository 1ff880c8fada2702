"""Fits the closed form alone on a run's parts, and makes its users' vectors of their histories."""

import logging
from dataclasses import replace

import numpy as np

from recsys_tasks.artifacts.history_map import HistoryMap
from recsys_tasks.config.settings import TrainSettings
from recsys_tasks.evaluation.served import Audience
from recsys_tasks.matrices.interactions import Csr
from recsys_tasks.model.engines.protocol import Checkpoints, Fitted
from recsys_tasks.model.engines.ridge import RidgeSvdEngine
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.representations import with_biases
from recsys_tasks.pipeline.histories import TrainedOn, vectors_of, write_histories
from recsys_tasks.pipeline.run import RunFiles
from recsys_tasks.pipeline.run_parts import open_split

log = logging.getLogger(__name__)


def fit_by_parts(
    files: RunFiles,
    trained_on: TrainedOn,
    features: Csr,
    settings: TrainSettings,
    checkpoints: Checkpoints,
) -> Fitted:
    """Ridge-svd on the parts of a run: memory for items, and for the parts that are worked on.

    Args:
        files: of the run.
        trained_on: which of its interactions.
        features: CSR ``(n_items, n_features)``.
        settings: of the engine ridge-svd.
        checkpoints: where the passes are kept.

    Returns:
        a model without users; ``with_users`` makes them.

    Raises:
        TrainingRefused: nothing to train on, or vectors that are not finite.
    """
    with open_split(files) as split:
        histories = write_histories(split, trained_on, settings.ridge_svd.threads)
        log.info("ridge-svd on %d parts of users", len(histories))
        return RidgeSvdEngine(settings).fit_parts(histories, features, checkpoints)


def history_map_of(fitted: Fitted, audience: Audience, features: Csr) -> HistoryMap:
    """What makes a vector of a history that the fit has not seen; of a model without users it is the sums alone."""
    if len(fitted.model.user_embeddings):
        return audience.learn(with_biases(fitted.model, features), fitted.sums)
    return sums_alone(fitted)


def sums_alone(fitted: Fitted) -> HistoryMap:
    """What makes a vector of a history in a model whose users are sums: nothing is learnt."""
    assert fitted.sums is not None
    nothing = np.zeros(0, np.float32)
    return HistoryMap(fitted.sums, nothing, nothing.reshape(1, 0))


def with_users(
    files: RunFiles, model: Model, found: HistoryMap, features: Csr, trained_on: TrainedOn
) -> Model:
    """The model with a vector for every user, made of what it was fitted on, part by part."""
    items = features @ model.feature_embeddings
    with open_split(files) as split:
        histories = write_histories(split, trained_on)
        rows = [
            vectors_of(histories.read(number), found.sums, items)
            for number in range(len(histories))
        ]
    users = np.concatenate(rows)
    return replace(model, user_embeddings=users, user_biases=np.zeros(len(users), np.float32))
