"""A run whose users come in several parts equals one in a single part; what WARP does not fit into, the closed form does."""

from datetime import UTC, datetime

import numpy as np
import pytest

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.run_files import PARTS
from recsys_tasks.pipeline.steps import ORDER, Steps
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services

CLOSED = {
    "dataset": "mls",
    "train.engine": "ridge-svd",
    "train.finalise": True,
    "train.ridge_svd.components": 16,
    "index.trees": 5,
    "gate.min_popular_ratio": 0.1,
    "gate.min_index_recall": 0,
}
"""Passes through every step; its quality is other tests' business."""


def steps_of(database_url, bucket, run_id="manual__1", **overrides):
    settings = Settings.load("quick", overrides=CLOSED | overrides)
    moment = datetime(2026, 11, 24, 3, int(run_id[-1]), tzinfo=UTC)
    run = Run(settings.dataset, "recsys_train", run_id, moment)
    return Steps(settings, run, Database(database_url), ObjectStore(bucket))


def run_all(steps):
    for name in ORDER:
        getattr(steps, name)()


@pytest.fixture
def source(sample):
    return {f"source.{name}": str(sample / f"{name}.csv") for name in ("movies", "ratings")}


def test_several_parts_make_the_version_that_one_makes(database_url, bucket, source, tmp_path):
    whole = steps_of(database_url, bucket, **source)
    parted = steps_of(
        database_url, bucket, run_id="manual__2", **source, **{"train.part_ratings": 9000}
    )
    for steps in (whole, parted):
        run_all(steps)
    assert len(PARTS.read(whole.files)) == 1
    assert len(PARTS.read(parted.files)) > 5
    one, many = (
        read_manifest(steps.store, "mls", steps.run.version).metrics["test_served"]
        for steps in (whole, parted)
    )
    assert one["users"] == many["users"]
    for name in ("precision_at_5", "ndcg_at_10", "auc"):
        assert many[name] == pytest.approx(one[name], abs=1e-3)
    answers = [
        Recommender.load(steps.store, "mls", version=steps.run.version, cache=tmp_path)
        for steps in (whole, parted)
    ]
    users, items = (
        [np.asarray(getattr(each.artifacts, name)) for each in answers]
        for name in ("user_embeddings", "item_embeddings")
    )
    scores = [side @ other.T for side, other in zip(users, items, strict=True)]
    assert np.abs(scores[0] - scores[1]).max() < 1e-3


def test_where_warp_does_not_fit_the_closed_form_is_fitted_alone_and_the_report_says_so(
    database_url, bucket, source
):
    few = {
        "train.memory_megabytes": 460,
        "evaluate.ease_megabytes": 0,
        "evaluate.block_megabytes": 1,
    }
    wide = {"train.components": 1024, "train.engine": "blend"}
    steps = steps_of(database_url, bucket, **source, **few, **wide)
    run_all(steps)
    model = read_manifest(steps.store, "mls", steps.run.version).model.model_dump()
    assert model["engine"] == "ridge-svd"
    assert "and 460 MB are free" in model["warp_left_out"]
    page = steps.store.get(steps.report()["report"]).decode()
    assert "The closed form ridge-svd serves alone: WARP would take about" in page
