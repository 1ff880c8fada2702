"""The whole flow over a real Postgres and a real S3 server: what it leaves, and what it refuses."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from benchmarks.generate import generate
from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import DataCheckFailed, GateRejected, NotFound, TrainingRefused
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services

QUICK = {
    "dataset": "mls",
    "train.epochs": 3,
    "train.components": 8,
    "index.trees": 5,
    "gate.min_popular_ratio": 0.1,
}
"""Enough of a model to pass through every step; its quality is other tests' business."""


def steps_of(database_url, bucket, run_id="manual__1", **overrides):
    settings = Settings.load("quick", overrides=QUICK | overrides)
    moment = datetime(2026, 11, 24, 3, int(run_id[-1]), tzinfo=UTC)
    run = Run(settings.dataset, "recsys_train", run_id, moment)
    return Steps(settings, run, Database(database_url), ObjectStore(bucket))


def run_all(steps):
    return {name: getattr(steps, name)() for name in ORDER}


@pytest.fixture
def source(sample):
    return {
        "source.movies": str(sample / "movies.csv"),
        "source.ratings": str(sample / "ratings.csv"),
    }


def test_two_csv_files_become_a_champion_and_a_second_run_ingests_nothing(
    database_url, bucket, source
):
    first = steps_of(database_url, bucket, **source)
    made = run_all(first)
    manifest = read_manifest(first.store, "mls", first.run.version)
    data = manifest.data.model_dump()
    assert (data["users"], data["items"], data["ratings"]) == (671, 9_066, 100_004)
    assert (data["positives"], data["features"]["elements"]) == (15_095, 29_298)
    assert data["synthetic_movies"] == 0
    assert made["promote"]["sha256"] == manifest.sha256()

    served = manifest.metrics["test_served"]
    users = first.data.user_metrics()
    assert (len(users.ids), len(users.training_positives)) == (served["users"], served["users"])
    assert users.values["ndcg_at_10"].mean() == pytest.approx(served["ndcg_at_10"], abs=1e-6)
    assert "user_metrics.npz" in manifest.files

    second = steps_of(database_url, bucket, run_id="manual__2", **source)
    made = run_all(second)
    assert made["ingest"] == {"movies": "already loaded", "ratings": "already loaded"}
    assert read_pointer(second.store, "mls").version == second.run.version
    assert first.store.get(keys.manifest("mls", first.run.version)) == manifest.to_bytes()
    assert _hashes(second) == _hashes(first)


def test_where_annoy_finds_too_few_the_champion_is_searched_exactly(
    database_url, bucket, source, tmp_path
):
    weak = {"index.trees": 1, "index.search_k": 20, "gate.min_index_recall": 1.0}
    steps = steps_of(database_url, bucket, **source, **weak)
    made = run_all(steps)
    assert made["build_index"] == {"search": "exact", "recall_at_10": 1.0}
    manifest = read_manifest(steps.store, "mls", steps.run.version)
    assert manifest.index.recall_at_10 < 1
    assert manifest.gate.accepted
    recall = next(rule for rule in manifest.gate.rules if rule.name == "min_index_recall")
    assert recall.value == 1
    assert steps.report()["metrics"]["index_recall_at_10"] == 1
    recommender = Recommender.load(steps.store, "mls", cache=tmp_path)
    for user_id in (15, 73, 500):
        expected = recommender.recommend(user_id, exact=True)
        assert recommender.recommend(user_id) == expected


def test_generated_ratings_are_counted_as_synthetic_in_what_the_manifest_will_say(
    database_url, bucket, tmp_path
):
    made = generate(0.0002, 1, tmp_path)
    files = {f"source.{name}": str(tmp_path / f"{name}.csv") for name in ("movies", "ratings")}
    steps = steps_of(database_url, bucket, **files)
    for name in ORDER[:3]:
        getattr(steps, name)()
    assert steps.files.get_json("data.json")["synthetic_movies"] == made.movies


def test_any_step_runs_again_and_the_version_stays_the_same_byte_for_byte(
    database_url, bucket, source
):
    steps = steps_of(database_url, bucket, **source)
    run_all(steps)
    before = steps.store.get(keys.manifest("mls", steps.run.version))
    run_all(steps)
    assert steps.store.get(keys.manifest("mls", steps.run.version)) == before


def test_shards_of_the_users_give_the_same_numbers_to_the_last_bit(database_url, bucket, source):
    """Slices, intervals, baselines and the comparison with a champion are all in metrics.json."""
    run_all(steps_of(database_url, bucket, **source))
    steps = steps_of(database_url, bucket, run_id="manual__2", **source, **{"train.seed": 7})
    for name in ORDER[: ORDER.index("gate")]:
        getattr(steps, name)()
    names = ("metrics.json", "per_user.npz", "examples.json")
    whole = {name: steps.files.get_bytes(name) for name in names}
    assert json.loads(whole["metrics.json"])["champion"]["churn"] > 0
    for shards in (2, 7):
        for number in reversed(range(shards)):
            steps.evaluate_users(number, shards)
        steps.evaluate(shards)
        assert {name: steps.files.get_bytes(name) for name in names} == whole


def test_an_evaluation_with_a_shard_missing_says_which(database_url, bucket, source):
    steps = steps_of(database_url, bucket, **source)
    for name in ORDER[: ORDER.index("evaluate")]:
        getattr(steps, name)()
    steps.evaluate_users(0, 2)
    with pytest.raises(NotFound, match="evaluation/00001-of-00002"):
        steps.evaluate(2)


def test_a_training_that_the_machine_cannot_carry_is_refused_before_it_starts(
    database_url, bucket, source
):
    steps = steps_of(database_url, bucket, **source, **{"train.memory_megabytes": 100})
    for name in ORDER[: ORDER.index("train")]:
        getattr(steps, name)()
    with pytest.raises(TrainingRefused, match="100 MB are free"):
        steps.train()
    assert not steps.files.has("checkpoint.npz")


def test_a_rejected_candidate_leaves_the_champion_and_says_why(database_url, bucket, source):
    champion = steps_of(database_url, bucket, **source)
    run_all(champion)
    strict = {"gate.min_precision": 0.99}
    rejected = steps_of(database_url, bucket, run_id="manual__3", **source, **strict)
    with pytest.raises(GateRejected, match=r"precision@5.*0\.99"):
        run_all(rejected)
    ended = rejected.report(
        links=lambda facts: {"Run": f"https://airflow/{facts['run']['run_id']}"}
    )
    page = champion.store.get(ended["report"]).decode()
    assert read_pointer(champion.store, "mls").version == champion.run.version
    assert not champion.store.exists(keys.manifest("mls", rejected.run.version))
    assert json.loads(champion.store.get(rejected.files.key("gate.json")))["accepted"] is False
    assert ended["headline"].partition(": ")[2] in page
    assert '<a href="https://airflow/manual__3">Run</a>' in page
    assert "The last versions" in page
    assert (ended["verdict"], ended["failed_task"]) == ("rejected", "gate")
    assert ended["reason"].startswith("gate: ")
    assert 0 < ended["metrics"]["precision_at_5"] < 0.99
    assert champion.report()["verdict"] == "accepted"


def test_a_warm_start_goes_on_from_the_champion_until_it_is_time_to_train_from_nothing(
    database_url, bucket, source
):
    warm = {"train.warm_start": True, "train.full_retrain_every": 2, "gate.max_champion_loss": 1}
    found = []
    for night in (1, 2, 3):
        steps = steps_of(database_url, bucket, run_id=f"manual__{night}", **source, **warm)
        run_all(steps)
        found.append(read_manifest(steps.store, "mls", steps.run.version))
    assert [version.model.model_dump()["warm_starts"] for version in found] == [0, 1, 0]
    first, second, third = (version.metrics["champion"] for version in found)
    assert first == {"version": None, "not_compared": "there is no champion yet"}
    assert second["version"] == found[0].version
    assert second["precision_at_5"]["users"] > 400
    rows = [version.files["user_embeddings.npy"].sha256 for version in found]
    assert rows[0] == rows[2] != rows[1]
    assert third["version"] == found[1].version


def test_without_any_positive_rating_nothing_is_trained(database_url, bucket, bad):
    steps = steps_of(
        database_url,
        bucket,
        **{
            "source.movies": str(bad / "good/movies.csv"),
            "source.ratings": str(bad / "v13_no_five_star.ratings.csv"),
        },
    )
    steps.migrate()
    steps.ingest()
    with pytest.raises(DataCheckFailed, match="no positive interactions"):
        steps.fit_dataset()
    assert steps.report()["report"].endswith("report.html")


def test_tables_below_a_bound_stop_the_run_before_training_and_the_report_says_so(
    database_url, bucket, source
):
    steps = steps_of(database_url, bucket, **source, **{"checks.min_users": 1000})
    steps.migrate()
    steps.ingest()
    with pytest.raises(DataCheckFailed, match="the number of users is 671, must be at least 1000"):
        steps.fit_dataset()
    written = steps.report()
    assert "the number of users is 671, must be at least 1000" in written["reason"]
    assert (
        "the number of users is 671, must be at least 1000"
        in steps.store.get(written["report"]).decode()
    )
    assert not steps.files.has("parts.json")
    assert written["verdict"] == "failed"
    assert written["rows"]["users"] == 671


def test_a_step_that_ends_without_a_word_is_named_in_the_outcome(database_url, bucket, source):
    steps = steps_of(database_url, bucket, **source)
    steps.migrate()
    written = steps.report()
    assert written["reason"].startswith("ingest: did not finish")
    assert "Failed at ingest" in steps.store.get(written["report"]).decode()


def test_what_a_step_left_in_an_earlier_try_is_not_shown_as_if_it_were_of_this_one(
    database_url, bucket, source
):
    steps = steps_of(database_url, bucket, **source)
    run_all(steps)
    assert steps.report()["verdict"] == "accepted"
    with pytest.raises(TrainingRefused):
        replace(
            steps,
            settings=Settings.load("quick", overrides=QUICK | {"train.memory_megabytes": 100}),
        ).train()
    written = steps.report()
    assert written["verdict"] == "failed"
    assert written["reason"].startswith("train: ")
    assert "promote" not in written["reason"]
    assert [note["step"] for note in steps.notes.read()] == list(ORDER[: ORDER.index("train") + 1])
    page = steps.store.get(written["report"]).decode()
    assert "Failed at train" in page
    assert "The gate" not in page
    assert "Ratings by stars" in page


def test_without_a_source_and_with_empty_tables_the_run_says_what_to_do(database_url, bucket):
    steps = steps_of(database_url, bucket)
    steps.migrate()
    steps.ingest()
    with pytest.raises(DataCheckFailed, match="recsys ingest"):
        steps.fit_dataset()


def _hashes(steps):
    files = read_manifest(steps.store, "mls", steps.run.version).files
    named_by_run = {"report.html", "metrics.json"}  # they name the champion that was compared with
    return {name: facts.sha256 for name, facts in files.items() if name not in named_by_run}
