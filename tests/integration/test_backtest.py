"""A back-test over real ratings: blind to what came later, cheap to repeat, refused where nothing is to measure."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recsys_tasks.cli.main import main
from recsys_tasks.config.settings import Settings, SourceSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.errors import DataCheckFailed, SettingsError
from recsys_tasks.evaluation.backtest import over_folds
from recsys_tasks.pipeline import backtest as replay
from recsys_tasks.pipeline.backtest import Plan, last_moment, run_backtest

pytestmark = pytest.mark.services

BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
HALF_YEAR = timedelta(days=180)
PLAN = Plan(BEGIN, BEGIN + 2 * HALF_YEAR, HALF_YEAR, HALF_YEAR)
SETTINGS = Settings.load(
    overrides={
        "dataset": "mls",
        "train.engine": "ridge-svd",
        "train.ridge_svd.components": 8,
        "train.ridge_svd.iterations": 2,
        "evaluate.ease_l2": 200.0,
    }
)


@pytest.fixture
def loaded(database: Database, sample: Path) -> Database:
    source = SourceSettings(movies=str(sample / "movies.csv"), ratings=str(sample / "ratings.csv"))
    ingest(database, source, "mls", "test")
    return database


def facts_of(database: Database, plan: Plan = PLAN, folder: Path | None = None) -> list[dict]:
    found = run_backtest(database, SETTINGS, plan, folder)
    return [{**fold.facts, "seconds": 0} for fold in found.folds]


def plant(database: Database, folder: Path, rows: list[tuple[int, int, float, datetime]]) -> None:
    path = folder / "planted.csv"
    with path.open("w", newline="") as file:
        stamped = [(user, movie, stars, int(at.timestamp())) for user, movie, stars, at in rows]
        csv.writer(file).writerows([("userId", "movieId", "rating", "timestamp"), *stamped])
    ingest(database, SourceSettings(ratings=str(path)), "mls", "test")


def test_what_was_rated_or_loaded_later_changes_nothing(loaded: Database, tmp_path: Path) -> None:
    before = facts_of(loaded)
    pairs = [(user, movie) for user in range(1, 40) for movie in (1, 2, 3, 260, 296, 318)]
    known = loaded.read_pairs("mls")
    rated = set(zip(*(side.tolist() for side in known), strict=True))
    fresh = [pair for pair in pairs if pair not in rated]
    assert len(fresh) > 100
    after_all = BEGIN + 10 * HALF_YEAR
    late, early = fresh[::2], fresh[1::2]
    rows = [(*pair, 5.0, after_all) for pair in late]
    rows += [(*pair, 5.0, BEGIN - HALF_YEAR) for pair in early]  # rated in time, loaded too late
    plant(loaded, tmp_path, rows)
    assert facts_of(loaded) == before


def test_a_window_never_reaches_the_model_that_it_tests(
    loaded: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, measured = [], replay.fit_and_measure

    def spied(*arguments):
        fitted, evaluation = measured(*arguments)
        chosen = {name: of.get("settings") for name, of in evaluation.metrics["baselines"].items()}
        models.append((fitted.model.feature_embeddings.tobytes(), chosen))
        return fitted, evaluation

    monkeypatch.setattr(replay, "fit_and_measure", spied)
    plan = Plan(BEGIN, BEGIN, HALF_YEAR, HALF_YEAR)
    [before] = facts_of(loaded, plan)
    inside = [(user, 8874, 5.0, BEGIN + timedelta(days=3)) for user in range(1, 671)]
    plant(loaded, tmp_path, inside)
    [after] = facts_of(loaded, plan)
    assert after["positives"] > before["positives"] + 50
    assert models[0] == models[1]


def test_every_scorer_is_measured_on_the_same_users_with_paired_intervals(loaded: Database) -> None:
    found = run_backtest(loaded, SETTINGS, PLAN)
    assert len(found.folds) == 3
    ratings = [fold.facts["ratings"] for fold in found.folds]
    assert ratings == sorted(set(ratings)), "each moment knows more than the one before"
    for fold in found.folds:
        assert set(fold.facts["metrics"]) == {"model", "popular", "recent", "ease"}
        assert fold.facts["chosen"]["recent"]["days"] in (30, 90, 365)
        gap = fold.facts["intervals"]["ease"]["ndcg_at_10"]
        ours, theirs = (fold.facts["metrics"][name]["ndcg_at_10"] for name in ("model", "ease"))
        assert gap["difference"] == pytest.approx(ours - theirs, abs=1e-6)
        assert gap["low"] <= gap["difference"] <= gap["high"]
    whole = over_folds(found.folds, 42)
    users = {user for fold in found.folds for user in fold.users.tolist()}
    assert {one.baseline for one in whole} == {"popular", "recent", "ease"}
    assert {one.interval.users for one in whole} == {len(users)}
    assert {one.folds for one in whole} == {3}


def test_a_repeat_takes_the_folds_that_are_kept(
    loaded: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_backtest(loaded, SETTINGS, PLAN, tmp_path).folds
    (tmp_path / "fold-20000629T000000Z.npz").write_bytes(b"torn")
    calls, measured = [], replay.fit_and_measure
    monkeypatch.setattr(
        replay, "fit_and_measure", lambda *given: calls.append(1) or measured(*given)
    )
    second = run_backtest(loaded, SETTINGS, PLAN, tmp_path).folds
    assert len(calls) == 1, "only the damaged one is computed again"
    assert over_folds(second, 42) == over_folds(first, 42)
    other = SETTINGS.model_copy(update={"train": SETTINGS.train.model_copy(update={"seed": 7})})
    run_backtest(loaded, other, PLAN, tmp_path)
    assert len(calls) == 4, "another setting, another fold"


def test_no_window_with_data_is_refused_and_says_what_there_is(loaded: Database) -> None:
    gap = datetime(1990, 1, 1, tzinfo=UTC)
    with pytest.raises(DataCheckFailed, match=r"no window between 1990-01-01.* no positive"):
        run_backtest(loaded, SETTINGS, Plan(gap, gap + HALF_YEAR, HALF_YEAR, HALF_YEAR))
    late = datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(DataCheckFailed, match=r"positives up to then go from \d{4}.* to 2016-"):
        run_backtest(loaded, SETTINGS, Plan(late, late + HALF_YEAR, HALF_YEAR, HALF_YEAR))
    with pytest.raises(SettingsError, match="is later than --to"):
        run_backtest(loaded, SETTINGS, Plan(late, BEGIN, HALF_YEAR, HALF_YEAR))
    with pytest.raises(SettingsError, match="lies in the future"):
        run_backtest(
            loaded,
            SETTINGS,
            Plan(BEGIN, datetime(2999, 1, 1, tzinfo=UTC), 400 * HALF_YEAR, HALF_YEAR),
        )
    assert last_moment(loaded, SETTINGS, HALF_YEAR).date() == datetime(2016, 4, 19).date()


def test_the_command_prints_a_table_and_writes_page_plot_and_numbers(
    loaded: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RECSYS_DB_URL", loaded.url)
    sets = [
        f"--set={name}={value}" for name, value in SETTINGS.flat().items() if "ridge_svd" in name
    ]
    asked = ["--from", "2000-01-01", "--to", "2000-07-01", "--every", "180d", "--horizon", "180d"]
    command = ["backtest", "--dataset", "mls", *asked, "--out", str(tmp_path / "out"), *sets]
    command += ["--set", "train.engine=ridge-svd"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "Over 2 moments, in NDCG@10, as served, the model is" in text
    assert "2000-06-29 00:00" in text
    written = json.loads((tmp_path / "out" / "backtest.json").read_text())
    assert [fold["as_of"][:10] for fold in written["folds"]] == ["2000-01-01", "2000-06-29"]
    page = (tmp_path / "out" / "backtest.html").read_text()
    assert "<svg" in page
    assert "EASE" in page
    assert (tmp_path / "out" / "backtest.svg").read_text().startswith("<svg xmlns=")
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["over_folds"] == written["over_folds"]
