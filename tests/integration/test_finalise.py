"""A finalised version answers with all that is known; what it is compared and gone on from is the judged model."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from small_source import write_source

from recsys_tasks.artifacts import judged as judged_file
from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.reader import fetch, open_version
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import GateRejected, NotFound
from recsys_tasks.model.representations import with_biases
from recsys_tasks.pipeline import finalising
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps

pytestmark = pytest.mark.services

SMALL = {
    "dataset": "small",
    "index.trees": 3,
    "train.components": 4,
    "train.finalise": True,
    "gate.min_popular_ratio": 0.01,
    "gate.min_finalised_overlap": 0.0,
    "gate.min_finalised_rank": 0.0,
    "gate.max_champion_loss": 1.0,
}
FIRST = datetime(2026, 11, 24, 3, tzinfo=UTC)


@pytest.fixture
def night(database_url, bucket, tmp_path):
    """The steps of a night; each has other ratings than the one before."""

    def steps_of(number=0, dataset="small", **overrides):
        folder = tmp_path / str(number)
        folder.mkdir(exist_ok=True)
        source = write_source(folder, 50 + 5 * number, 40 + 2 * number, seed=number)
        wanted = SMALL | source | {"dataset": dataset} | overrides
        run = Run(dataset, "recsys_train", f"night-{number}", FIRST + timedelta(days=number))
        settings = Settings.load("quick", overrides=wanted)
        return Steps(settings, run, Database(database_url), ObjectStore(bucket))

    return steps_of


def run_from(steps, first, last="promote"):
    """Runs these steps but ``verify``: another process would load the version, which other tests do."""
    for name in ORDER[ORDER.index(first) : ORDER.index(last) + 1]:
        if name != "verify":
            getattr(steps, name)()
    return steps


def run_until(steps, last="promote"):
    return run_from(steps, ORDER[0], last)


def version_of(steps, tmp_path):
    manifest = read_manifest(steps.store, steps.run.dataset, steps.run.version)
    return manifest, open_version(manifest, fetch(steps.store, manifest, tmp_path / "cache"))


@pytest.mark.parametrize("engine", ["recsys", "ridge-svd", "auto"])
def test_what_is_published_knows_train_validation_and_test(night, tmp_path, engine):
    steps = run_until(night(**{"train.engine": engine}))
    manifest, opened = version_of(steps, tmp_path)
    known, features = steps.data.interactions(), steps.data.features().matrix
    counts = np.bincount(known.row[known.is_positive], minlength=known.shape[0])
    final = with_biases(steps.data.published().model, features)
    assert opened.user_counts.tolist() == counts.tolist()
    assert opened.liked.lengths.sum() == len(known)
    assert np.array_equal(opened.user_embeddings, final.users)
    assert not np.array_equal(
        opened.user_embeddings, with_biases(steps.data.model(), features).users
    )
    facts = manifest.model.model_dump()
    assert facts["trained_on"] == "train+validation+test"
    assert facts["metrics_of"] == "judged"


def test_a_version_that_is_not_finalised_says_so_and_keeps_no_second_model(night, tmp_path):
    steps = run_until(night(**{"train.finalise": False}))
    manifest, opened = version_of(steps, tmp_path)
    facts = manifest.model.model_dump()
    assert (facts["trained_on"], facts["metrics_of"]) == ("train+validation", "published")
    assert judged_file.NAME not in manifest.files
    assert opened.liked.lengths.sum() == len(steps.data.trained_on())


def share_found(embeddings, test):
    """Share of the test positives whose score is above their user's mean score."""
    scores = embeddings.scores(test.row)
    own = scores[np.arange(len(test)), test.col]
    return float((own > scores.mean(axis=1)).mean())


def by_heart(steps):
    """A model of the finalised one's shape that scores everything known above everything else."""
    known, model = steps.data.interactions(), steps.data.published().model
    width = model.user_embeddings.shape[1]
    left, values, right = np.linalg.svd(known.coo().toarray(), full_matrices=False)
    features = np.zeros_like(model.feature_embeddings)
    features[: known.shape[1]] = right[:width].T
    users = (left[:, :width] * values[:width]).astype(np.float32)
    return replace(model, user_embeddings=users, feature_embeddings=features)


def compared(night, dataset, champion):
    """The next night's comparison with this champion."""
    assert champion.run.dataset == dataset
    return run_until(night(1, dataset), "gate").files.get_json("metrics.json")["champion"]


def test_a_champion_whose_published_vectors_know_the_test_part_gains_nothing(night):
    plain = run_until(night(0, "plain", **{"train.finalise": False}))
    planted = run_until(night(0, "planted"), "finalise")
    planted.files.put_arrays("finalised_model.npz", by_heart(planted).to_arrays())
    run_from(planted, "export_embeddings")
    test, features = planted.data.split().test, planted.data.features().matrix
    judged, published = (
        share_found(with_biases(of.model, features), test)
        for of in (planted.data.judged(), planted.data.published())
    )
    assert published > judged, "nothing was to be gained"
    met = compared(night, "planted", planted)
    assert met["precision_at_5"]["users"] >= 30
    assert met == compared(night, "plain", plain)


def test_the_judged_model_is_kept_as_long_as_the_version(night):
    champion = run_until(night(0))
    contender = next_champion(night).contender()
    for found in list(champion.store.list(champion.run.prefix)):
        champion.store.delete(found.key)
    after = next_champion(night)
    users = np.arange(5, dtype=np.int32)
    assert np.array_equal(after.contender().served.scores(users), contender.served.scores(users))
    assert after.trained().nnz > 0


def next_champion(night):
    champion = night(1).run_champion.champion()
    assert champion is not None
    return champion


def test_a_warm_start_goes_on_from_the_judged_model_after_the_run_has_expired(night):
    overrides = {"train.refit": False, "train.warm_start": True}
    champion = run_until(night(0, **overrides))
    judged = champion.data.model()
    for found in list(champion.store.list(champion.run.prefix)):
        champion.store.delete(found.key)
    start = next_champion(night).named_model()
    assert np.array_equal(start.model.user_embeddings, judged.user_embeddings)
    assert np.array_equal(start.model.feature_embeddings, judged.feature_embeddings)


@pytest.mark.parametrize("engine", ["recsys", "auto"])
def test_a_try_after_a_killed_one_ends_in_the_same_bytes(night, monkeypatch, engine):
    steps = run_until(night(**{"train.engine": engine}), "finalise")
    first = steps.files.get_bytes("finalised_model.npz")
    steps.store.delete(steps.files.key("finalised_model.npz"))

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(finalising, "compare_finalised", killed)
        with pytest.raises(KeyboardInterrupt):
            steps.finalise()
    steps.finalise()
    assert steps.files.get_bytes("finalised_model.npz") == first
    rules = [rule["name"] for rule in steps.files.get_json("gate.json")["rules"]]
    assert len(rules) == len(set(rules))
    assert {"finite_finalised", "min_finalised_rank", "min_finalised_overlap"} <= set(rules)


def test_a_finalised_model_that_is_another_one_is_not_published(night):
    steps = night(**{"gate.min_finalised_overlap": 1.0, "train.engine": "recsys"})
    with pytest.raises(GateRejected, match="judged top tens that it keeps"):
        run_until(steps)
    with pytest.raises(NotFound):
        steps.store.get(keys.manifest("small", steps.run.version))
    assert steps.report()["verdict"] == "rejected"
