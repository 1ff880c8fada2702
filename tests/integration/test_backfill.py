"""Five nights of the past: each model from what was known then, all published, the champion where it was."""

from datetime import UTC, datetime, timedelta

import pytest

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import SettingsError
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps

pytestmark = [pytest.mark.services, pytest.mark.slow("backfill")]

QUICK = {
    "dataset": "mls",
    "train.epochs": 1,
    "train.components": 4,
    "index.trees": 5,
    "gate.min_precision": 0.0001,
    "gate.min_popular_ratio": 0.01,
    "gate.min_effective_rank": 0,
    "gate.min_index_recall": 0,
}
LAST_RATING = datetime(2016, 10, 16, 17, 57, 24, tzinfo=UTC)
"""Of the sample."""


def night_of(database_url, bucket, sample, days, backfill=True, **overrides):
    moment = LAST_RATING - timedelta(days=days)
    files = {f"source.{name}": str(sample / f"{name}.csv") for name in ("movies", "ratings")}
    known = {"positives.as_of": moment.isoformat()} if backfill else {}
    settings = Settings.load("quick", overrides=QUICK | files | known | overrides)
    run = Run("mls", "recsys_train", f"backfill__{days}", moment)
    return Steps(settings, run, Database(database_url), ObjectStore(bucket), backfill=backfill)


def publish(steps):
    for name in ORDER[: ORDER.index("promote")]:
        getattr(steps, name)()
    return read_manifest(steps.store, "mls", steps.run.version)


def test_a_backfill_of_five_nights_trains_each_on_its_night_and_moves_no_champion(
    database_url, bucket, sample
):
    nightly = night_of(database_url, bucket, sample, days=0, backfill=False)
    publish(nightly)
    nightly.promote()
    champion = read_pointer(nightly.store, "mls")

    nights = [night_of(database_url, bucket, sample, days) for days in (400, 300, 200, 100, 50)]
    manifests = [publish(night) for night in nights]
    ratings = [manifest.data.model_dump()["ratings"] for manifest in manifests]
    assert ratings == sorted(set(ratings)), "each night knows more than the one before"
    assert ratings[-1] < 100_004
    assert {manifest.metrics["champion"]["version"] for manifest in manifests} == {None}
    for night in nights:
        with pytest.raises(SettingsError, match="backfill_promotes"):
            night.promote()
    assert read_pointer(nightly.store, "mls") == champion
