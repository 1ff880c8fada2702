"""A small model of real ratings, fitted once, and LightFM's own object with the same parameters."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from lightfm import LightFM

from recsys_tasks.config.settings import PositiveSettings, SplitSettings, TrainSettings
from recsys_tasks.matrices.interactions import (
    Csr,
    build_id_maps,
    build_interactions,
    build_item_features,
    build_seen,
)
from recsys_tasks.matrices.split import Split, split
from recsys_tasks.model.fit import fit
from recsys_tasks.model.parameters import Model


@dataclass(frozen=True)
class Case:
    """What a run has at hand once it is fitted."""

    split: Split
    features: Csr
    seen: Csr
    settings: TrainSettings
    model: Model
    lightfm: Any


@pytest.fixture(scope="session")
def fitted(real_tables) -> Case:
    """Five epochs of 16 components on the sample, 5.0 only."""
    ratings, movies = real_tables
    users, items = build_id_maps(ratings, movies)
    parts = split(
        build_interactions(ratings, users, items, PositiveSettings(liked_weight=0)),
        SplitSettings(method="shuffle", validation_fraction=0),
        users,
        items,
    )
    features = build_item_features(movies).matrix
    settings = TrainSettings(engine="lightfm", components=16, epochs=5, max_sampled=10, patience=0)
    reference = LightFM(no_components=16, loss="warp", random_state=np.random.RandomState(42))
    reference.fit(parts.train.coo(), item_features=features, epochs=5)
    return Case(
        parts,
        features,
        build_seen(ratings, users, items),
        settings,
        fit(parts.train, features, settings).model,
        reference,
    )
