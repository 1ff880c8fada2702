"""The flow with Spark's ALS in the place of WARP by ``local[2]``, on a real cut."""

import shutil
from datetime import UTC, datetime
from importlib.util import find_spec

import numpy as np
import pytest

from recsys_tasks.data.postgres import Database
from recsys_tasks.errors import NotFound
from recsys_tasks.publish.object_store import ObjectStore
from recsys_tasks.publish.publisher import read_manifest
from recsys_tasks.recommend.recommender import Recommender
from recsys_tasks.run import Run
from recsys_tasks.settings import Settings
from recsys_tasks.spark.als import fit_als
from recsys_tasks.steps import ORDER, Steps

pytestmark = [pytest.mark.services, pytest.mark.slow]
if find_spec("pyspark") is None or shutil.which("java") is None:
    pytest.skip("NOT TESTED: needs the extra spark and Java 17", allow_module_level=True)


def steps_of(database_url, bucket, shared, number, **overrides):
    folder = shared / "data" / "ml-latest-small"
    settings = Settings.load(
        "spark",
        overrides={
            "dataset": "mls",
            "source.movies": str(folder / "movies.csv"),
            "source.ratings": str(folder / "ratings.csv"),
            "train.epochs": 6,
            "spark.partitions": 2,
            "index.trees": 10,
            **overrides,
        },
    )
    run = Run("mls", "recsys_train", f"manual__{number}", datetime(2026, 11, number, tzinfo=UTC))
    return Steps(settings, run, Database(database_url), ObjectStore(bucket))


def test_als_is_published_beats_the_popular_list_and_repeats_itself(
    database_url, bucket, shared, tmp_path
):
    steps = steps_of(database_url, bucket, shared, 1)
    for name in ORDER:
        getattr(steps, name)()
    first = read_manifest(steps.store, "mls", steps.run.version)
    served = first.metrics["test_served"]["precision_at_5"]
    assert served > 1.5 * first.metrics["baselines"]["popular"]["test_served"]["precision_at_5"]
    features = steps.data.features().matrix
    again = fit_als(
        steps.data.trained_on(), features, steps.settings.train, steps.settings.spark
    ).to_arrays()
    for name, array in steps.data.model().to_arrays().items():
        assert array.tobytes() == again[name].tobytes(), name
    model = first.model.model_dump()
    assert (model["engine"], model["loss"], model["reproducible"]) == (
        "spark-als",
        "implicit-als",
        True,
    )

    recommender = Recommender.load(steps.store, "mls", cache=tmp_path)
    artifacts = recommender.artifacts
    assert (artifacts.user_embeddings[:, -2:] == [0, 1]).all()
    assert (artifacts.item_embeddings[:, -2:] == [1, 0]).all()
    zero = ~artifacts.item_embeddings[:, :-2].any(axis=1)
    assert zero.sum() == model["untrained_items"] > 0
    nobodys = set(artifacts.item_ids[zero].tolist())
    for user in artifacts.user_ids[::100].tolist():
        for exact in (True, False):
            answer = recommender.recommend(user, 200, exact=exact)
            assert not nobodys & {item.movie_id for item in answer.items} or (
                answer.tier == "popular"
            )
    with pytest.raises(NotFound, match="has no vector"):
        recommender.similar(min(nobodys))
    untrained = artifacts.user_ids[artifacts.user_counts == 0]
    assert len(untrained) == model["untrained_users"]
    assert {recommender.recommend(int(user)).tier for user in untrained} <= {"fold_in", "popular"}
    assert np.isfinite(artifacts.feature_embeddings).all()
