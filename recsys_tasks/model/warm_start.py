"""Starts a fit from an earlier model's parameters: known ids keep their rows, new ids get fresh ones."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.config.settings import SplitSettings, TrainSettings
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.split import split_facts
from recsys_tasks.model.parameters import Model

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class NamedModel:
    """A model together with what its rows stand for.

    Args:
        model: parameters and Adagrad state.
        users: id map of the user rows.
        features: name of each feature row, as ``ItemFeatures.names``.
    """

    model: Model
    users: IdMap
    features: tuple[str, ...]


@dataclass(frozen=True)
class Start:
    """What the fits of a run go on from.

    Args:
        fit: of the first fit, never trained on what the run validates or tests; None: from nothing.
        refit: of the fit on train and validation together, never trained on what the run tests.
        warm_starts: how many warm starts in a row this makes since the last training from nothing.
    """

    fit: Model | None = None
    refit: Model | None = None
    warm_starts: int = 0


DECIDES = ("method", "test_fraction", "validation_fraction", "seed", "membership")
"""What puts a pair into a part, as the manifest names it."""


def refuse_another_split(
    before: Mapping[str, Any], settings: SplitSettings, by_keys: bool = False
) -> None:
    """Refuses a champion whose parts are not this run's.

    Args:
        before: ``split`` of the champion's manifest.
        settings: of this run.
        by_keys: this run's users and items have rows in a dictionary.

    Raises:
        ArtifactRefused: a pair that this run tests may be one that the champion was trained on.
    """
    now = split_facts(settings, by_keys)
    differ = [
        f"split.{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in DECIDES
        if before.get(name) != now.get(name)
    ]
    if differ or now.get("membership") is None:
        raise ArtifactRefused(
            "manifest.json",
            "its model may have been trained on what this run tests: "
            + (", ".join(differ) or f"split.method {settings.method} moves pairs between parts"),
        )


def carry_over(
    previous: NamedModel, users: IdMap, features: tuple[str, ...], settings: TrainSettings
) -> Model | None:
    """The start of a fit over ``users`` and ``features``.

    Who was there before keeps parameters and Adagrad state; who is new gets a fresh row as LightFM
    makes it; who is gone is dropped.

    Args:
        previous: what to go on from.
        users, features: rows of the new fit.
        settings: components and seed of the new fit.

    Returns:
        a model in the order of ``users`` and ``features``; None where the earlier one has another
        number of components.
    """
    old = previous.model.with_state()
    width = old.user_embeddings.shape[1]
    if width != settings.components:
        log.warning(
            "the earlier model has %d components, not %d: starting afresh",
            width,
            settings.components,
        )
        return None
    generator = np.random.RandomState(settings.seed)
    place = {name: row for row, name in enumerate(previous.features)}
    from_features = np.array([place.get(name, -1) for name in features], dtype=np.int64)
    from_users = np.full(len(users), -1, dtype=np.int64)
    known = previous.users.known(users.ids)
    from_users[known] = previous.users.rows_of(users.ids[known])
    log.info(
        "going on from an earlier model: %d of %d users and %d of %d features carried over",
        known.sum(),
        len(users),
        (from_features >= 0).sum(),
        len(features),
    )
    return _carried(old, from_users, from_features, generator)


def _carried(
    old: Model,
    from_users: NDArray[np.int64],
    from_features: NDArray[np.int64],
    generator: np.random.RandomState,
) -> Model:
    """Rows of ``old`` by number; -1 makes a fresh row."""
    fresh_features = _fresh(len(from_features), old.feature_embeddings.shape[1], generator)
    fresh_users = _fresh(len(from_users), old.user_embeddings.shape[1], generator)
    return Model(
        user_embeddings=_chosen(old.user_embeddings, from_users, fresh_users),
        user_biases=_chosen(old.user_biases, from_users, 0.0),
        feature_embeddings=_chosen(old.feature_embeddings, from_features, fresh_features),
        feature_biases=_chosen(old.feature_biases, from_features, 0.0),
        user_embedding_gradients=_chosen(old.user_embedding_gradients, from_users, 1.0),
        user_bias_gradients=_chosen(old.user_bias_gradients, from_users, 1.0),
        feature_embedding_gradients=_chosen(old.feature_embedding_gradients, from_features, 1.0),
        feature_bias_gradients=_chosen(old.feature_bias_gradients, from_features, 1.0),
    )


def _fresh(rows: int, width: int, generator: np.random.RandomState) -> NDArray[np.float32]:
    """Initial embeddings: uniform in half a unit to either side, over the width, as LightFM's."""
    return ((generator.rand(rows, width) - 0.5) / width).astype(np.float32)


def _chosen(
    old: NDArray[np.float32], rows: NDArray[np.int64], fresh: NDArray[np.float32] | float
) -> NDArray[np.float32]:
    """Old rows where there is one, fresh ones elsewhere."""
    new = np.empty((len(rows), *old.shape[1:]), dtype=np.float32)
    new[:] = fresh
    new[rows >= 0] = old[rows[rows >= 0]]
    return new
