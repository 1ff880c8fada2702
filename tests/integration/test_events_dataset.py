"""Events in a real Postgres become a run's matrices and its model, whatever their ids look like."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from recsys_tasks.artifacts.arrays import read_npz
from recsys_tasks.artifacts.ids import id_list
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.devstack.shop import SETTINGS, make_shop
from recsys_tasks.errors import DataCheckFailed
from recsys_tasks.matrices.parts import DTYPES, Part, join_csr, join_interactions
from recsys_tasks.pipeline.dataset import Dataset, read_dataset
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services

QUICK = {
    "train.epochs": 2,
    "train.components": 8,
    "train.patience": 0,
    "index.trees": 5,
    "gate.min_popular_ratio": 0.1,
    "gate.min_precision": 0.001,
}


def steps_of(database_url, bucket, dataset, preset="quick", **overrides):
    settings = Settings.load(preset, overrides=QUICK | {"dataset": dataset} | overrides)
    run = Run(dataset, "recsys_train", "manual__1", datetime(2026, 11, 24, 3, tzinfo=UTC))
    return Steps(settings, run, Database(database_url), ObjectStore(bucket))


def write_events(folder: Path, rows: list[tuple[str, ...]]) -> dict[str, str]:
    """A file of user, item, type, time and value."""
    path = folder / f"events-{len(list(folder.iterdir()))}.csv"
    text = "\n".join(",".join(row) for row in [("user_id,item_id,type,time,value",), *rows])
    path.write_text(text + "\n")
    return {"source.events": str(path)}


def read(database_url, folder: Path, **overrides) -> Dataset:
    home = folder / f"parts-{len(list(folder.iterdir()))}"
    home.mkdir()
    settings = Settings.load(overrides={"dataset": "shop"} | overrides)
    return read_dataset(Database(database_url), "shop", settings, home)


def matrices(found: Dataset):
    parts = [
        Part.from_arrays(facts.first, len(found.items), read_npz(path, path.name, DTYPES))
        for facts, path in zip(found.gathered.parts, sorted(found.folder.iterdir()), strict=True)
    ]
    interactions = join_interactions([part.interactions() for part in parts])
    return interactions, join_csr([part.seen() for part in parts])


@pytest.fixture
def load(database_url, bucket):
    """Loads files into the dataset ``shop``."""

    def load(**source):
        steps = steps_of(database_url, bucket, "shop", **source)
        steps.migrate()
        return steps.ingest()

    return load


ROWS = [
    ("late", "sku-9", "view", "2026-01-01", ""),
    ("anna", "sku-1", "view", "2026-01-02", ""),
    ("anna", "sku-1", "buy", "2026-01-05", ""),
    ("anna", "sku-9", "cart", "2026-01-03", ""),
    ("ben", "sku-1", "gift", "2026-01-04", ""),
]
WEIGHTS = {"events.weights": {"view": 0.1, "cart": 0.4, "buy": 1}}


def test_events_become_interactions_and_seen_items(database_url, load, tmp_path, caplog):
    load(**write_events(tmp_path, ROWS))
    found = read(database_url, tmp_path, **WEIGHTS)
    users, items = (id_list(ids) for ids in (found.gathered.users.ids, found.items.ids))
    assert (users, items) == (["late", "anna", "ben"], ["sku-9", "sku-1"])
    assert found.gathered.users.keys.tolist() == [0, 1, 2]
    interactions, seen = matrices(found)
    rows = zip(
        interactions.row.tolist(),
        interactions.col.tolist(),
        interactions.weight.tolist(),
        interactions.is_positive.tolist(),
        strict=True,
    )
    expected = [(0, 0, 0.1, False), (1, 0, 0.4, False), (1, 1, 1.0, True)]
    assert [(row, col, round(weight, 3), full) for row, col, weight, full in rows] == expected
    assert seen.toarray().tolist() == [[1, 0], [1, 1], [0, 1]]
    assert found.gathered.tally.histogram() == {"view": 2, "buy": 1, "cart": 1, "gift": 1}
    assert "1 events of type gift have no weight" in caplog.text


def test_types_without_weight_are_rejected_by_name_when_they_are_loaded(load, tmp_path):
    made = load(**WEIGHTS, **write_events(tmp_path, ROWS))
    assert made["events"] == "5 read, 4 loaded, 1 rejected, 0 duplicate"


def test_as_of_a_moment_the_events_and_items_are_those_that_were_known(
    database_url, load, tmp_path
):
    items = tmp_path / "items.csv"
    items.write_text("item_id,title\nsku-1,Old\n")
    load(**{"source.items": str(items)}, **write_events(tmp_path, ROWS[:3]))
    moment = datetime.now(UTC).isoformat()
    items.write_text("item_id,title\nsku-1,New\nsku-2,Later\n")
    load(**{"source.items": str(items)}, **write_events(tmp_path, ROWS[3:]))
    then = read(database_url, tmp_path, **{"positives.as_of": moment})
    now = read(database_url, tmp_path)
    assert (then.movies.title, now.movies.title) == (("Old", "sku-9"), ("New", "sku-9", "Later"))
    assert (then.gathered.tally.ratings, now.gathered.tally.ratings) == (2, 4)
    assert [file.role for file in then.files] == ["items", "events"]
    assert [file.role for file in now.files] == ["events", "items", "events"]


def test_only_what_happened_until_a_moment_is_read(database_url, load, tmp_path):
    load(**write_events(tmp_path, ROWS))
    found = read(database_url, tmp_path, **{"positives.rated_until": "2026-01-02T12:00:00Z"})
    assert found.gathered.tally.histogram() == {"view": 2}


def test_old_positives_fade_in_both_kinds_of_data(database_url, load, tmp_path):
    load(**write_events(tmp_path, ROWS[:3]))
    half = {"positives.half_life_days": 4}
    interactions, _ = matrices(read(database_url, tmp_path, **half))
    assert np.round(interactions.weight, 3).tolist() == [0.5, 1.0]


def test_a_type_that_nobody_did_cannot_be_held_out(database_url, bucket, tmp_path):
    steps = steps_of(
        database_url,
        bucket,
        "shop",
        **write_events(tmp_path, ROWS[:2]),
        **WEIGHTS,
    )
    steps.migrate()
    steps.ingest()
    with pytest.raises(DataCheckFailed, match="no event is of type buy"):
        steps.fit_dataset()


def write_stars(folder: Path, sample: Path, prefix: str) -> dict[str, str]:
    """The sample's first ratings as events, users and movies by ids with a prefix."""
    with (sample / "ratings.csv").open() as file:
        rows = list(csv.reader(file))[1:20_001]
    events = [
        (prefix + user, prefix + movie, "rate", when, stars) for user, movie, stars, when in rows
    ]
    home = folder / f"stars{prefix}"
    home.mkdir()
    return write_events(home, events)


def run_all(steps):
    for name in ORDER:
        getattr(steps, name)()
    return read_manifest(steps.store, steps.run.dataset, steps.run.version)


def test_the_same_ratings_by_numbers_and_by_text_give_the_same_vectors_and_metrics(
    database_url, bucket, sample, tmp_path
):
    manifests, splits, vectors = [], [], []
    for dataset, prefix in (("numbers", ""), ("text", "u")):
        source = write_stars(tmp_path, sample, prefix)
        steps = steps_of(database_url, bucket, dataset, **source)
        manifests.append(run_all(steps))
        vectors.append(vars(steps.data.model()))
        splits.append(steps.data.split())
        kind = steps.data.users().ids.dtype.kind
        assert kind == ("i" if prefix == "" else "S")
    for part in ("train", "validation", "test"):
        of_numbers, of_text = (getattr(split, part).to_arrays() for split in splits)
        for name, array in of_numbers.items():
            assert np.array_equal(array, of_text[name]), (part, name)
    for name, array in vectors[0].items():
        assert np.array_equal(array, vectors[1][name]), name
    numbers, text = manifests
    for view in ("test_served", "test", "test_unmasked"):
        assert numbers.metrics[view] == text.metrics[view]
    assert numbers.files["item_embeddings.npy"].sha256 == text.files["item_embeddings.npy"].sha256


def test_a_shop_in_parquet_becomes_a_champion_that_answers_and_a_second_run_merges(
    database_url, bucket, tmp_path
):
    shop = make_shop(tmp_path / "shop", users=300, items=96, parquet=True)
    source = {"source.items": str(shop.items_file), "source.events": str(shop.events_file)}
    steps = steps_of(database_url, bucket, "shop", **source, **SETTINGS)
    manifest = run_all(steps)
    data = manifest.data.model_dump()
    assert (data["users"], data["items"], data["events"]) == (300, 96, shop.events)
    assert set(data["histogram"]) == {"view", "cart", "buy"}
    assert manifest.schema_version == 2
    user = id_list(steps.data.users().ids)[0]
    answer = Recommender.load(steps.store, "shop").recommend(user, 5)
    assert (answer.tier, len(answer.items)) == ("model", 5)
    assert all(item.title.startswith("Synthetic: ") for item in answer.items)
    again = steps_of(database_url, bucket, "shop", **source, **SETTINGS)
    assert again.ingest() == {"items": "already loaded", "events": "already loaded"}


def test_the_times_at_which_an_item_may_be_shown_reach_the_catalogue(database_url, load, tmp_path):
    items = tmp_path / "items.csv"
    items.write_text("item_id,available_until\nsku-1,2026-05-01T00:00:00Z\nsku-9,\n")
    load(**{"source.items": str(items)}, **write_events(tmp_path, ROWS))
    until = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp())
    assert read(database_url, tmp_path).movies.available == ((None, until), (None, None))
