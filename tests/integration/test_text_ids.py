"""The same data with numbers and with text as ids: same parts, same vectors, same metrics, same answers."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from small_source import write_source

from recsys_tasks.artifacts.ids import id_list
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.pipeline import steps as pipeline_steps
from recsys_tasks.pipeline.compare import compare_versions
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services

WANTED = {
    "index.trees": 3,
    "train.components": 4,
    "gate.min_popular_ratio": 0.1,
    "gate.max_champion_loss": 1.0,
    "gate.max_churn": 1.0,
    "publish.write_postgres": True,
}
DATASETS = {"numbers": lambda n: n, "texts": lambda n: f"u{n}"}


@pytest.fixture
def with_ids(monkeypatch):
    """Reads a dataset as one of events whose dictionary gave these ids, the first row first."""
    read = pipeline_steps.read_dataset

    def reading(database, dataset, settings, folder):
        found = read(database, dataset, settings, folder)
        named = {
            kind: np.array([DATASETS[dataset](one) for one in ids.ids.tolist()])
            for kind, ids in (("users", found.gathered.users), ("items", found.items))
        }
        stored = {
            kind: np.char.encode(a) if a.dtype.kind == "U" else a for kind, a in named.items()
        }
        users, items = (IdMap(ids, np.arange(len(ids))) for ids in stored.values())
        return replace(
            found,
            movies=replace(found.movies, movie_id=items.ids),
            items=items,
            gathered=replace(found.gathered, users=users),
        )

    monkeypatch.setattr(pipeline_steps, "read_dataset", reading)


def run_all(database_url, bucket, dataset, night, **overrides):
    settings = Settings.load("quick", overrides=WANTED | {"dataset": dataset} | overrides)
    run = Run(dataset, "recsys_train", f"night {night}", datetime(2026, 11, night, 3, tzinfo=UTC))
    steps = Steps(settings, run, Database(database_url), ObjectStore(bucket))
    for name in ORDER:
        getattr(steps, name)()
    steps.report()
    return steps


def test_text_ids_train_and_answer_as_numbers_do_and_meet_their_champion(
    database_url, bucket, tmp_path, with_ids
):
    source = write_source(tmp_path)
    made = {name: run_all(database_url, bucket, name, 1, **source) for name in DATASETS}
    numbers, texts = made["numbers"], made["texts"]
    for file in ("model.npz", "metrics.json", "files/user_embeddings.npy", "files/items.ann"):
        assert numbers.store.get(numbers.files.key(file)) == texts.store.get(texts.files.key(file))
    manifests = [
        read_manifest(one.store, one.run.dataset, one.run.version) for one in made.values()
    ]
    assert [manifest.schema_version for manifest in manifests] == [2, 2]
    assert manifests[0].metrics == manifests[1].metrics
    assert manifests[0].split == manifests[1].split
    assert "user row" in manifests[0].split.model_dump()["membership"]

    loaded = [Recommender.load(one.store, name, cache=tmp_path) for name, one in made.items()]
    for number in (1, 30, 60):
        theirs, ours = loaded[0].recommend(number), loaded[1].recommend(f"u{number}")
        assert [f"u{item.item_id}" for item in theirs.items] == [i.item_id for i in ours.items]
        assert [item.score for item in theirs.items] == [item.score for item in ours.items]
    names = loaded[1].artifacts.feature_names.tolist()
    assert names[0].startswith("item:u")
    assert names[-1].startswith("category:")

    rows = Database(database_url).fetch("SELECT item_id FROM texts.item_embeddings")
    assert {row[0] for row in rows} == set(id_list(loaded[1].artifacts.item_ids))

    overrides = {"train.warm_start": True, "train.engine": "warp"}
    again = run_all(database_url, bucket, "texts", 2, **source, **overrides)
    met = again.files.get_json("metrics.json")["champion"]
    assert met["version"] == texts.run.version
    assert met["precision_at_5"]["users"] > 0
    assert all(user.startswith("u") for user in met["movers"])
    found = compare_versions(
        again.store, "texts", texts.run.version, again.run.version, tmp_path / "cache"
    )
    assert found.lists.asked == 60
