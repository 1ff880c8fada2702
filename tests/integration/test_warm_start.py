"""A warm start over several nights: no model goes on from one that was trained on what the night tests."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from small_source import write_source

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps

pytestmark = pytest.mark.services

SMALL = {
    "dataset": "small",
    "index.trees": 3,
    "train.components": 4,
    "train.warm_start": True,
    "gate.min_popular_ratio": 0.01,
    "gate.min_precision": 0.001,
    "gate.max_champion_loss": 1.0,
}
FIRST = datetime(2026, 11, 24, 3, tzinfo=UTC)


@pytest.fixture
def run_night(database_url, bucket, tmp_path):
    """Runs one night, with more users, other ratings and other movies than the night before."""

    def run(number, upto=ORDER, **overrides):
        source = write_source(tmp_path, 50 + 5 * number, 40 + 2 * number, seed=number)
        settings = Settings.load("quick", overrides=SMALL | source | overrides)
        run = Run("small", "recsys_train", f"night-{number}", FIRST + timedelta(days=number))
        steps = Steps(settings, run, Database(database_url), ObjectStore(bucket))
        for name in upto:
            getattr(steps, name)()
        return steps

    return run


def pairs(steps, part):
    """External ids of the pairs of a part."""
    users, items = steps.data.users().ids, steps.data.items().ids
    found = getattr(steps.data.split(), part)
    return set(zip(users[found.row].tolist(), items[found.col].tolist(), strict=True))


def warm_starts(steps):
    return steps.files.get_json("training.json")["warm_starts"]


def test_nothing_that_a_night_tests_or_validates_was_trained_on_by_a_model_it_goes_on_from(
    run_night,
):
    published, before_refit = set(), set()
    for number in range(4):
        steps = run_night(number)
        assert warm_starts(steps) == number
        assert not pairs(steps, "test") & published
        assert not pairs(steps, "validation") & before_refit
        before_refit |= pairs(steps, "train")
        published |= pairs(steps, "train") | pairs(steps, "validation")


@pytest.mark.parametrize(
    ("field", "value"),
    [("seed", 7), ("test_fraction", 0.3), ("validation_fraction", 0.2)],
)
def test_a_champion_that_was_split_otherwise_is_not_gone_on_from_and_it_is_said(
    run_night, field, value, caplog
):
    run_night(0)
    with caplog.at_level(logging.WARNING):
        steps = run_night(1, ORDER[: ORDER.index("train") + 1], **{f"split.{field}": value})
    assert warm_starts(steps) == 0
    assert f"split.{field} was" in caplog.text


def test_a_champion_of_before_pairs_kept_their_part_is_not_gone_on_from(run_night, caplog):
    champion = run_night(0)
    key = keys.manifest("small", champion.run.version)
    manifest = json.loads(champion.store.get(key))
    del manifest["split"]["membership"]
    champion.store.put(key, json.dumps(manifest).encode())
    with caplog.at_level(logging.WARNING):
        steps = run_night(1, ORDER[: ORDER.index("train") + 1])
    assert warm_starts(steps) == 0
    assert "split.membership was None" in caplog.text


def test_once_the_model_of_before_the_refit_has_expired_the_fit_begins_from_nothing(
    run_night, caplog
):
    champion = run_night(0)
    champion.store.delete(champion.files.key("model_before_refit.npz"))
    with caplog.at_level(logging.WARNING):
        steps = run_night(1, ORDER[: ORDER.index("train") + 1])
    assert warm_starts(steps) == 0
    assert "trained on what this run validates" in caplog.text


def test_a_run_without_a_refit_goes_on_from_a_champion_without_one_after_its_run_has_expired(
    run_night,
):
    champion = run_night(0, **{"train.refit": False})
    for found in list(champion.store.list(champion.run.prefix)):
        champion.store.delete(found.key)
    steps = run_night(1, ORDER[: ORDER.index("train") + 1], **{"train.refit": False})
    assert warm_starts(steps) == 1
