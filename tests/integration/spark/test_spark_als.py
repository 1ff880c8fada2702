"""The flow with Spark's ALS in the place of WARP, on a standalone cluster of two workers on loopback.

The last test ends the workers. JVMs compile little here: they live for seconds.
"""

import json
import shutil
import threading
import time
from datetime import UTC, datetime
from importlib.util import find_spec

import numpy as np
import pytest
from loopback_spark import Cluster, cluster

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.cli.main import main
from recsys_tasks.config.settings import Settings, SparkSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import NotFound, SparkUnavailable
from recsys_tasks.model.engines.spark.als import fit_als
from recsys_tasks.model.engines.spark.session import session
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps
from recsys_tasks.recommend.recommender import Recommender

pytestmark = [pytest.mark.services, pytest.mark.slow("spark")]
if find_spec("pyspark") is None or shutil.which("java") is None:
    pytest.skip("NOT TESTED: needs the extra spark and Java 17", allow_module_level=True)

VERSION_TIME = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def hasty_java():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        yield


@pytest.fixture(scope="module")
def spark(tmp_path_factory) -> Cluster:
    with cluster(tmp_path_factory.mktemp("spark")) as running:
        yield running


@pytest.fixture
def steps(spark, database_url, bucket, sample, tmp_path):
    settings = Settings.load(
        "spark",
        overrides={
            "dataset": "mls",
            "source.movies": str(sample / "movies.csv"),
            "source.ratings": str(sample / "ratings.csv"),
            "train.epochs": 5,
            "train.components": 16,
            "spark.master": spark.master,
            "spark.memory_megabytes": 1024,
            "spark.exchange": str(tmp_path),
            "index.trees": 10,
        },
    )
    run = Run("mls", "recsys_cli", "manual__spark", VERSION_TIME)
    return Steps(settings, run, Database(database_url), ObjectStore(bucket))


@pytest.fixture
def waiting(spark, tmp_path):
    """Settings of a cluster that is given up soon."""
    return SparkSettings(
        master=spark.master, memory_megabytes=512, wait_seconds=4, exchange=str(tmp_path)
    )


def test_two_workers_publish_what_beats_the_popular_list_and_one_machine_fits_the_same_bytes(
    steps, bucket, database_url, tmp_path, monkeypatch, capsys, spark
):
    for name in ORDER:
        getattr(steps, name)()
    first = read_manifest(steps.store, "mls", steps.run.version)
    served = first.metrics["test_served"]["precision_at_5"]
    assert served > 1.5 * first.metrics["baselines"]["popular"]["test_served"]["precision_at_5"]
    model = first.model.model_dump()
    assert (model["engine"], model["loss"]) == ("spark-als", "implicit-als")
    assert model["reproducible"] is True
    says_the_command_line(steps.run.version, bucket, database_url, tmp_path, monkeypatch, capsys)
    untrained_rows_are_no_answers(steps, model, tmp_path)

    made = steps.data.model().to_arrays()
    killer = threading.Thread(target=kill_one_in_the_middle, args=(spark, killed := []))
    killer.start()
    assert_same(made, fitted(steps, steps.settings.spark))
    killer.join()
    assert killed
    assert_same(made, fitted(steps, steps.settings.spark.model_copy(update={"master": "local[2]"})))


def fitted(steps, spark):
    features = steps.data.features().matrix
    return fit_als(steps.data.trained_on(), features, steps.settings.train, spark).to_arrays()


def assert_same(ours, theirs):
    for name, array in ours.items():
        assert array.tobytes() == theirs[name].tobytes(), name


def kill_one_in_the_middle(spark, killed):
    """Kills the executor that is the first to keep the results of eight tasks."""
    end = time.monotonic() + 300
    while not killed and time.monotonic() < end:
        time.sleep(0.05)
        for worker in spark.workers:
            if not killed and worker.kept() >= 8:
                killed += worker.executors()
                for executor in killed:
                    executor.kill()


def says_the_command_line(version, bucket, database_url, cache, monkeypatch, capsys):
    """The commands of whoever consumes the version."""
    for name, value in bucket.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RECSYS_DB_URL", database_url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "cache"))
    for words in (["verify", version], ["recommend", "--user", "73", "-k", "5"]):
        capsys.readouterr()
        assert main([*words, "--dataset", "mls", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["tier"], answer["version"], len(answer["items"])) == ("model", version, 5)


def untrained_rows_are_no_answers(steps, model, cache):
    recommender = Recommender.load(steps.store, "mls", cache=cache / "loaded")
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
    assert (~artifacts.user_embeddings[:, :-2].any(axis=1)).sum() == model["untrained_users"]
    untrained = artifacts.user_ids[artifacts.user_counts == 0]
    assert {recommender.recommend(int(user)).tier for user in untrained} <= {"fold_in", "popular"}
    assert np.isfinite(artifacts.feature_embeddings).all()


def test_a_cluster_without_room_for_an_executor_is_given_up(waiting, tmp_path):
    greedy = waiting.model_copy(update={"options": ("spark.executor.memory=9g",)})
    with (
        pytest.raises(SparkUnavailable, match=f"{waiting.master} had no executor for 4 s"),
        session(greedy, tmp_path) as running,
    ):
        running.range(9).count()


def test_a_fit_ends_when_all_its_executors_have_gone(waiting, spark, tmp_path):
    patient = waiting.model_copy(update={"wait_seconds": 15})
    before = executors_of(spark)
    ending = threading.Thread(target=end_workers, args=(spark, before, ended := []))
    ending.start()
    with (
        pytest.raises(SparkUnavailable, match=f"{waiting.master} had no executor for 15 s"),
        session(patient, tmp_path) as running,
    ):
        running.range(10**11).selectExpr("sum(hash(id))").collect()
    ending.join()
    assert len(ended) == 2


def executors_of(spark):
    return [executor for worker in spark.workers for executor in worker.executors()]


def end_workers(spark, before, ended):
    """Kills the workers as soon as each has a new executor, and these, which may not miss a worker yet.

    An executor of an earlier session may still be about to end; it is killed too, and not counted.
    """
    end = time.monotonic() + 60
    while not all(set(worker.executors()) - set(before) for worker in spark.workers):
        if time.monotonic() > end:
            break
        time.sleep(0.1)
    there = executors_of(spark)
    ended += [executor for executor in there if executor not in before]
    for process in (*(worker.process for worker in spark.workers), *there):
        process.kill()
