"""The champion of some weeks ago stands beside today's: tolerated losses cannot add up."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from small_source import write_source

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.pipeline.anchor import anchor_version
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps

pytestmark = pytest.mark.services

NIGHT = datetime(2026, 11, 24, 3, tzinfo=UTC)
SMALL = {
    "dataset": "small",
    "index.trees": 3,
    "train.components": 4,
    "gate.min_popular_ratio": 0.1,
    "gate.max_champion_loss": 1.0,
    "gate.max_anchor_loss": 1.0,
}


def steps_of(database_url, bucket, run_id, **overrides):
    settings = Settings.load("quick", overrides=SMALL | overrides)
    run = Run("small", "recsys_train", run_id, NIGHT)
    return Steps(settings, run, Database(database_url), ObjectStore(bucket))


@pytest.fixture
def two_champions(database_url, bucket, tmp_path):
    """The first one moved there in October, the second one today."""
    source = write_source(tmp_path)
    both = [steps_of(database_url, bucket, name, **source) for name in ("first", "second")]
    for steps in both:
        for name in ORDER:
            getattr(steps, name)()
    store, key = both[0].store, keys.history("small") + "1.json"
    moved = json.loads(store.get(key)) | {"moved_at": "2026-10-01T03:00:00Z"}
    store.put_json(key, moved)
    return both


def next_run(steps, *shards):
    met = replace(steps, run=replace(steps.run, run_id=f"next {len(shards)}"))
    for name in ("ingest", "fit_dataset", "split", "train"):
        getattr(met, name)()
    for number in shards:
        met.evaluate_users(number, len(shards))
    met.evaluate(max(1, len(shards)))
    met.gate()
    return met.files.get_json("metrics.json"), met.files.get_json("gate.json")["rules"]


def test_a_candidate_is_held_against_the_champion_of_28_days_ago_too(two_champions):
    first, second = two_champions
    metrics, rules = next_run(second)
    assert metrics["champion"]["version"] == second.run.version
    anchor = metrics["anchor"]
    assert (anchor["version"], anchor["days"]) == (first.run.version, 28)
    assert anchor["precision_at_5"]["low"] <= anchor["precision_at_5"]["high"]
    [rule] = [rule for rule in rules if rule["name"] == "max_anchor_loss"]
    assert rule["value"] == anchor["precision_at_5"]["high"]
    assert f"{first.run.version}, champion 28 days ago" in rule["reason"]
    in_shards, _ = next_run(second, 0, 1)
    assert in_shards["anchor"] == anchor


def test_without_a_champion_of_then_there_is_no_rule(two_champions):
    first, second = two_champions
    assert anchor_version(second.store, "small", NIGHT, 28) == first.run.version
    assert anchor_version(second.store, "small", NIGHT, 90) is None
    settings = Settings.load("quick", overrides=SMALL | {"gate.anchor_days": 90})
    metrics, rules = next_run(replace(second, settings=settings))
    assert metrics["anchor"]["version"] is None
    assert "no champion of then" in metrics["anchor"]["not_compared"]
    assert "max_anchor_loss" not in {rule["name"] for rule in rules}


def test_an_anchor_that_was_removed_is_said_and_gone_on_without(two_champions):
    first, second = two_champions
    first.store.delete(keys.manifest("small", first.run.version))
    metrics, rules = next_run(second)
    assert first.run.version in metrics["anchor"]["not_compared"]
    assert "max_anchor_loss" not in {rule["name"] for rule in rules}
