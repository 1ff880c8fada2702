"""A search over real ratings: its winner is a settings file that a run takes, whole, from its start."""

from datetime import UTC, datetime

import pytest

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.cli.main import parser
from recsys_tasks.cli.train import given_names
from recsys_tasks.config.settings import Settings, TrainSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import SettingsError
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import Steps
from recsys_tasks.pipeline.tuning import attempt, choose, propose, with_tuned

pytestmark = pytest.mark.services

SPACE = {
    "dataset": "mls",
    "train.epochs": 3,
    "tune.method": "grid",
    "tune.components": [4, 8],
    "tune.learning_rate": [0.05],
    "tune.max_sampled": [10],
    "tune.item_alpha": [0.0],
    "tune.user_alpha": [0.0],
    "tune.genres": [True, False],
}


@pytest.fixture
def searching(database_url, bucket, sample):
    source = {
        "source.movies": str(sample / "movies.csv"),
        "source.ratings": str(sample / "ratings.csv"),
    }
    run = Run("mls", "recsys_tune", "manual__1", datetime(2026, 11, 24, tzinfo=UTC))
    settings = Settings.load("quick", overrides=SPACE | source)
    return Steps(settings, run, Database(database_url), ObjectStore(bucket))


def another_run(number):
    return Run("mls", "recsys_train", f"manual__{number}", datetime(2026, 11, 25, tzinfo=UTC))


def test_the_winner_of_a_search_is_what_a_tuned_run_trains_with(searching, tmp_path):
    for prepare in ("migrate", "ingest", "fit_dataset", "split"):
        getattr(searching, prepare)()
    tried = [attempt(searching, overrides) for overrides in propose(searching)]
    best = max(tried, key=lambda trial: trial["score"])
    chosen = choose(searching, tried)
    tuned = Settings.load(overrides={"dataset": "mls", "train.tuned": True})

    flat = with_tuned(tuned, searching.store, another_run(1)).flat()
    assert {name: flat[name] for name in best["overrides"]} == best["overrides"]
    assert [trial["score"] for trial in searching.files.get_json("trials.json")] == sorted(
        (trial["score"] for trial in tried), reverse=True
    )
    file = tmp_path / "nightly.toml"
    file.write_text(chosen["document"])
    from_file = Settings.load(file=file).flat()
    assert {name: from_file[name] for name in best["overrides"]} == best["overrides"]


def test_a_search_that_ends_in_between_changes_nothing_for_a_run_under_way(searching):
    tuned = Settings.load(overrides={"dataset": "mls", "train.tuned": True})
    store, key = searching.store, "mls/settings/tuned.toml"
    store.put(key, b"[train]\ncomponents = 8\n")
    assert with_tuned(tuned, store, another_run(1)).train.components == 8
    store.put(key, b"[train]\ncomponents = 16\n")
    assert with_tuned(tuned, store, another_run(1)).train.components == 8
    assert with_tuned(tuned, store, another_run(2)).train.components == 16


def test_what_a_tuned_run_is_given_wins_over_the_search(searching):
    given = {"dataset": "mls", "train.tuned": True, "train.components": 24}
    searching.store.put("mls/settings/tuned.toml", b"[train]\ncomponents = 8\nmax_sampled = 7\n")
    for preset in ("nightly", "quick"):
        tuned = Settings.load(preset, overrides=given)
        found = with_tuned(tuned, searching.store, another_run(1)).train
        assert (found.components, found.max_sampled) == (24, 7)


def test_a_default_that_is_given_on_purpose_wins_over_the_search(searching, tmp_path):
    searching.store.put("mls/settings/tuned.toml", b"[train]\ncomponents = 8\nmax_sampled = 7\n")
    tuned = Settings.load(overrides={"dataset": "mls", "train.tuned": True})
    default = TrainSettings().components
    file = tmp_path / "deployer.toml"
    file.write_text(f"[train]\ncomponents = {default}\n")
    for words in (["--set", f"train.components={default}"], ["--settings", str(file)]):
        given = given_names(parser().parse_args(["train", *words]))
        assert given == {"train.components"}
        found = with_tuned(tuned, searching.store, another_run(1), given).train
        assert (found.components, found.max_sampled) == (default, 7)


def test_without_a_search_a_tuned_run_says_what_to_run(searching):
    tuned = Settings.load(overrides={"dataset": "mls", "train.tuned": True})
    with pytest.raises(SettingsError, match="recsys_tune"):
        with_tuned(tuned, searching.store, another_run(1))


def test_a_search_of_ridge_svd_is_found_by_a_tuned_run_and_what_is_given_wins(searching):
    chosen = b"[train]\nridge_svd.ridge = 100.0\nridge_svd.dropout = 2.0\nblend.warp_weight = 0.5\n"
    searching.store.put("mls/settings/tuned.toml", chosen)
    given = {"dataset": "mls", "train.tuned": True, "train.ridge_svd.dropout": 0.5}
    found = with_tuned(Settings.load(overrides=given), searching.store, another_run(1)).train
    assert (found.ridge_svd.ridge, found.ridge_svd.dropout) == (100, 0.5)
    assert found.blend.warp_weight == 0.5
