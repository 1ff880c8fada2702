"""A step that runs again answers by what it finds now, not by what an earlier try left behind it."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from small_source import write_source

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.cli.main import main
from recsys_tasks.cli.train import _named_run
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import GateRejected, NotFound
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps
from recsys_tasks.pipeline.tuning import attempt

pytestmark = pytest.mark.services

SMALL = {
    "dataset": "small",
    "index.trees": 3,
    "train.components": 4,
    "train.epochs": 3,
    "gate.min_popular_ratio": 0.01,
}


def steps_of(database_url, bucket, folder, **overrides):
    settings = Settings.load("quick", overrides=SMALL | write_source(folder) | overrides)
    run = Run("small", "recsys_train", "manual__1", datetime(2026, 11, 24, 3, tzinfo=UTC))
    return Steps(settings, run, Database(database_url), ObjectStore(bucket))


def run_until(steps, last):
    for name in ORDER[: ORDER.index(last) + 1]:
        getattr(steps, name)()


def test_a_run_whose_index_was_slow_once_is_accepted_when_it_is_fast_enough(
    database_url, bucket, tmp_path
):
    busy = {"gate.index_latency_from": 1, "gate.max_index_latency": 1e-9}
    steps = steps_of(database_url, bucket, tmp_path, **busy)
    with pytest.raises(GateRejected, match="time for a query"):
        run_until(steps, "build_index")
    steps.gate()
    judged = steps.files.get_json("gate.json")
    assert "max_index_latency" not in {rule["name"] for rule in judged["rules"]}
    fast = busy | {"gate.max_index_latency": 1000}
    quiet = replace(steps, settings=Settings.load(overrides=steps.settings.flat() | fast))
    quiet.gate()
    quiet.export_embeddings()
    quiet.build_index()
    assert quiet.files.get_json("gate.json")["accepted"]


@pytest.mark.parametrize(
    "damage", [lambda body: body[: len(body) // 2], lambda body: b"no archive"]
)
def test_a_damaged_checkpoint_makes_the_training_begin_anew(
    database_url, bucket, tmp_path, damage, caplog
):
    steps = steps_of(database_url, bucket, tmp_path)
    run_until(steps, "train")
    trained = steps.files.get_bytes("model.npz")
    for name in ("checkpoint.npz", "refit_checkpoint.npz"):
        steps.files.put_bytes(name, damage(trained))
    steps.train()
    assert steps.files.get_bytes("model.npz") == trained
    assert caplog.text.count("beginning anew") == 2


def test_a_trial_with_genres_is_fitted_with_genres_whatever_the_run_is_set_to(
    database_url, bucket, tmp_path
):
    scores = {}
    for genres in (True, False):
        steps = steps_of(database_url, bucket, tmp_path, **{"train.genres": genres})
        run_until(steps, "split")
        scores[genres] = [
            attempt(steps, {"train.genres": tried})["score"] for tried in (True, False)
        ]
    assert scores[True] == scores[False]
    made = steps.data.features_for(steps.settings.train.model_copy(update={"genres": True}))
    assert made.shape == (45, 48)
    assert np.allclose(made.sum(axis=1), 1)


def test_tune_writes_under_the_run_that_it_is_told_to_be(
    database_url, bucket, tmp_path, monkeypatch
):
    for name, value in {
        "RECSYS_DB_URL": database_url,
        "RECSYS_S3_ENDPOINT": bucket.endpoint,
        "RECSYS_S3_BUCKET": bucket.bucket,
        "AWS_ACCESS_KEY_ID": bucket.access_key,
        "AWS_SECRET_ACCESS_KEY": bucket.secret_key,
    }.items():
        monkeypatch.setenv(name, value)
    wanted = {**SMALL, **write_source(tmp_path), "tune.trials": 1}
    dataset = wanted.pop("dataset")
    told = [f"--set={name}={value}" for name, value in wanted.items()]
    run_id, moment = "mine", "2026-11-24T03:00:00+00:00"
    named = ["--run-id", run_id, "--run-after", moment]
    assert main(["tune", "--dataset", dataset, "--preset", "quick", *named, *told]) == 0
    run = Run(dataset, "recsys_cli_tune", run_id, datetime.fromisoformat(moment))
    assert ObjectStore(bucket).exists(run.prefix + "trials.json")


def test_two_runs_that_begin_in_one_second_are_two():
    versions = {_named_run("small", "recsys_cli", None, None).version for _ in range(50)}
    assert len(versions) == 50


def test_a_shard_that_failed_is_told_although_another_ended_well_after_it(
    database_url, bucket, tmp_path
):
    steps = steps_of(database_url, bucket, tmp_path)
    run_until(steps, "train")
    model = steps.files.get_bytes("model.npz")
    steps.store.delete(steps.files.key("model.npz"))
    with pytest.raises(NotFound):
        steps.evaluate_users(0, 2)
    steps.files.put_bytes("model.npz", model)
    steps.evaluate_users(1, 2)
    written = steps.report()
    assert written["reason"].startswith("evaluate_users: ")
    assert "model.npz" in written["reason"]
    assert "gate" not in written["reason"]
    assert "Failed at evaluate_users" in steps.store.get(written["report"]).decode()
