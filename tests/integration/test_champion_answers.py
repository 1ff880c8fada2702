"""Whatever the champion is, the run that meets it goes on, and says how it was compared or why not."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from small_source import write_source

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps

pytestmark = pytest.mark.services

FIRST = {
    "dataset": "small",
    "index.trees": 3,
    "train.components": 4,
    "gate.min_popular_ratio": 0.1,
    "gate.max_champion_loss": 1.0,
}


def steps_of(database_url, bucket, run_id, **overrides):
    settings = Settings.load("quick", overrides=FIRST | overrides)
    run = Run("small", "recsys_train", run_id, datetime(2026, 11, 24, 3, tzinfo=UTC))
    return Steps(settings, run, Database(database_url), ObjectStore(bucket))


@pytest.fixture
def champion(database_url, bucket, tmp_path):
    steps = steps_of(database_url, bucket, "first", **write_source(tmp_path))
    for name in ORDER:
        getattr(steps, name)()
    return steps


def met(champion, **overrides):
    """A next run's comparison with the champion, and the rules that its gate had."""
    wanted = Settings.load("quick", overrides=FIRST | overrides)
    next_run = replace(champion, settings=wanted, run=replace(champion.run, run_id="next"))
    for name in ("ingest", "fit_dataset", "split", "train", "evaluate", "gate"):
        getattr(next_run, name)()
    rules = {rule["name"] for rule in next_run.files.get_json("gate.json")["rules"]}
    return next_run.files.get_json("metrics.json")["champion"], rules


def spoil(champion, name, change):
    key = keys.version("small", champion.run.version) + name
    champion.store.put(key, change(champion.store.get(key)))


def test_no_champion_adds_no_rule_and_is_said(champion):
    found = champion.files.get_json("metrics.json")["champion"]
    rules = {rule["name"] for rule in champion.files.get_json("gate.json")["rules"]}
    assert found == {"version": None, "not_compared": "there is no champion yet"}
    assert not {"max_champion_loss", "max_churn"} & rules


@pytest.mark.parametrize("other", [{"train.components": 9}, {"train.genres": False}])
def test_a_champion_of_another_dimension_or_other_features_is_compared_all_the_same(
    champion, other
):
    found, rules = met(champion, **{"train.warm_start": True, "split.test_fraction": 0.5} | other)
    assert found["version"] == champion.run.version
    assert found["precision_at_5"]["users"] > 0
    assert set(found) >= {"churn", "movers"}
    assert {"max_champion_loss", "max_churn"} <= rules


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (
            "manifest.json",
            lambda body: json.dumps(json.loads(body) | {"schema_version": 3}).encode(),
            "schema version 3; this reader knows 1 and 2",
        ),
        ("user_embeddings.npy", lambda body: body[:-1] + b"!", "user_embeddings.npy"),
    ],
)
def test_a_champion_of_another_schema_or_with_a_broken_file_is_named_and_gone_on_without(
    champion, name, change, reason
):
    spoil(champion, name, change)
    found, rules = met(champion, **{"train.warm_start": True})
    assert found["version"] == champion.run.version
    assert reason in found["not_compared"]
    assert not {"max_champion_loss", "max_churn"} & rules


def test_with_fewer_users_than_it_takes_to_compare_the_champion_neither_passes_nor_rejects(
    champion,
):
    found, rules = met(champion, **{"gate.min_champion_users": 61, "gate.max_champion_loss": 0.0})
    assert found["version"] == champion.run.version
    assert "gate.min_champion_users is 61" in found["not_compared"]
    assert not {"max_champion_loss", "max_churn"} & rules
