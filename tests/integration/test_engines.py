"""A version made by ridge-svd or a blend goes through the whole flow and answers newcomers."""

from datetime import UTC, datetime

import numpy as np
import pytest
from small_source import write_source

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.reader import fetch
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services

SMALL = {
    "dataset": "small",
    "index.trees": 3,
    "train.components": 4,
    "train.epochs": 2,
    "train.ridge_svd.components": 6,
    "gate.min_popular_ratio": 0.0,
    "gate.min_precision": 0.001,
    "gate.min_index_recall": 0.0,
    "index.min_recall": 0.5,
}


@pytest.mark.parametrize(("engine", "width"), [("ridge-svd", 6), ("blend", 10), ("auto", None)])
def test_a_published_version_makes_the_vector_that_it_trained(
    database_url, bucket, tmp_path, engine, width
):
    overrides = SMALL | {"train.engine": engine} | write_source(tmp_path)
    settings = Settings.load("quick", overrides=overrides)
    run = Run("small", "recsys_train", engine, datetime(2026, 11, 24, 3, tzinfo=UTC))
    steps = Steps(settings, run, Database(database_url), ObjectStore(bucket))
    for name in ORDER:
        getattr(steps, name)()

    manifest = read_manifest(steps.store, "small", run.version)
    model = manifest.model.model_dump()
    if engine == "auto":
        assert model["engine"] in ("ridge-svd", "blend")
        assert {"components", "warp_weight", "validation"} <= set(model["candidates"][0])
    else:
        assert (model["engine"], model["components"]) == (engine, width)

    paths = fetch(steps.store, manifest, tmp_path / "cache")
    arrays = np.load(paths["fold_in.npz"], allow_pickle=False)
    users, items = (np.load(paths[f"{side}_embeddings.npy"]) for side in ("user", "item"))
    train = steps.data.trained_on()
    user = int(np.bincount(train.row).argmax())
    rows, weights = train.col[train.row == user], train.weight[train.row == user]
    sums = (weights * arrays["item_scale"][rows]) @ items[rows, : len(arrays["base"])] + arrays[
        "base"
    ]
    np.testing.assert_allclose(sums, users[user, : len(sums)], atol=1e-4)

    recommender = Recommender.load(steps.store, "small", cache=tmp_path / "cache")
    liked = [int(movie) for movie in recommender.artifacts.item_ids[rows[:3]]]
    found = recommender.recommend_for(liked, 5)
    assert found.tier == "model"
    assert len(found.items) == 5
