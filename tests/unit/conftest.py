"""What several folders of tests share: real ratings, a small model of them, a small version; each made once."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from lightfm import LightFM
from tiny_version import make_version

from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.reader import Artifacts, open_version
from recsys_tasks.config.settings import PositiveSettings, SplitSettings, TrainSettings
from recsys_tasks.data.tables import MovieTable, RatingTable
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
from recsys_tasks.recommend.recommender import Recommender

settings.register_profile("shared cores", deadline=None)  # other work may slow any example
settings.load_profile("shared cores")

Tables = tuple[RatingTable, MovieTable]


@pytest.fixture(scope="session")
def real_tables(sample: Path) -> Tables:
    """The sample: 100,004 ratings of 671 users, 9,066 movies; both tables in order."""
    rows = np.loadtxt(sample / "ratings.csv", delimiter=",", skiprows=1)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    with (sample / "movies.csv").open(encoding="utf-8", newline="") as lines:
        movies = sorted((int(i), title, tags) for i, title, tags in list(csv.reader(lines))[1:])
    return (
        RatingTable(
            rows[:, 0].astype(np.int64),
            rows[:, 1].astype(np.int64),
            rows[:, 2].astype(np.float32),
            rows[:, 3].astype(np.int64),
        ),
        MovieTable(
            np.array([i for i, _, _ in movies], dtype=np.int64),
            tuple(title for _, title, _ in movies),
            tuple(tuple(dict.fromkeys(tags.split("|"))) for _, _, tags in movies),
        ),
    )


@dataclass(frozen=True)
class Case:
    """What a run has at hand once it is fitted; ``lightfm`` is LightFM's own object, same parameters."""

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
        build_interactions(ratings, users, items, PositiveSettings(weak_weight=0)),
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


@pytest.fixture(scope="session")
def version_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("version")


@pytest.fixture(scope="session")
def manifest(version_folder: Path) -> Manifest:
    return make_version(version_folder)


@pytest.fixture(scope="session")
def paths(version_folder: Path, manifest: Manifest) -> dict[str, Path]:
    return {name: version_folder / name for name in manifest.files}


@pytest.fixture(scope="session")
def artifacts(manifest: Manifest, paths: dict[str, Path]) -> Artifacts:
    return open_version(manifest, paths)


@pytest.fixture
def recommender(artifacts: Artifacts) -> Recommender:
    return Recommender(artifacts)
