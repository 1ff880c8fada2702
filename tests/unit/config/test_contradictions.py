"""Settings that cannot hold together are refused when they are made, by their names."""

import pytest

from recsys_tasks.config.contradictions import RULES
from recsys_tasks.config.settings import PRESETS, Settings
from recsys_tasks.errors import SettingsError

RULE = {"metric": "test_served.mrr", "bound": 0.5}
LOW = {"name": "low", **RULE, "comparison": "at_least"}
HIGH = {"name": "high", **RULE, "comparison": "at_most", "bound": 0.4}
SERVED = {"name": "cap", "metric": "test_served.precision_at_5", "comparison": "at_most"}

TABLE = [
    ("archive_beside_files", {"source.archive": "a.zip", "source.movies": "m.csv"}, "archive"),
    ("archive_beside_files", {"source.archive": "a.zip", "source.ratings": "r.csv"}, "archive"),
    ("events_beside_ratings", {"source.events": "e.csv", "source.movies": "m.csv"}, "events"),
    ("events_beside_ratings", {"source.items": "i.csv", "source.archive": "a.zip"}, "archive"),
    (
        "held_out_without_weight",
        {"events.weights": {"view": 0.1, "buy": 1}, "events.held_out": "cart"},
        "cart .* view, buy",
    ),
    (
        "weaker_above_full_positives",
        {"positives.weak_threshold": 4.5, "positives.threshold": 3.5},
        r"positives\.weak_threshold 4\.5 .* positives\.threshold 3\.5",
    ),
    (
        "data_floor_above_ceiling",
        {"checks.min_positive_share": 0.6, "checks.max_positive_share": 0.5},
        r"checks\.min_positive_share 0\.6",
    ),
    (
        "data_floor_above_ceiling",
        {"checks.min_of_champion": 0.9, "checks.max_of_champion": 0.8},
        r"checks\.max_of_champion 0\.8",
    ),
    ("engine_without_the_loss", {"train.engine": "recsys", "train.loss": "bpr"}, "engine recsys"),
    ("engine_without_the_loss", {"train.engine": "recsys", "train.user_alpha": 1e-6}, "user_alpha"),
    ("engine_without_the_loss", {"train.engine": "spark-als", "train.loss": "bpr"}, "spark-als"),
    (
        "going_on_without_state",
        {"train.engine": "spark-als", "train.warm_start": True},
        "spark-als has no train.warm_start",
    ),
    (
        "going_on_without_state",
        {"train.engine": "ridge-svd", "train.warm_start": True},
        "ridge-svd has no train.warm_start",
    ),
    ("engine_without_the_loss", {"train.engine": "ridge-svd", "train.loss": "bpr"}, "ridge-svd"),
    (
        "warm_start_that_leaks",
        {"train.warm_start": True, "split.method": "time"},
        "needs split.method random, not time",
    ),
    ("weights_for_kos", {"train.loss": "warp-kos"}, r"positives\.weak_weight to 0 or 1, not 0\.5"),
    ("grid_above_bound", {"tune.method": "grid"}, r"17496 points and tune\.trials allows 12"),
    (
        "rank_above_width",
        {"gate.min_effective_rank": 20, "train.engine": "warp", "train.components": 16},
        r"gate\.min_effective_rank 20 .* vectors' 16 components",
    ),
    (
        "index_below_gate",
        {"index.min_recall": 0.8},
        r"index\.min_recall 0\.8 .* gate\.min_index_recall 0\.9",
    ),
    (
        "rules_that_exclude_each_other",
        {"gate.rules": [LOW, HIGH]},
        r"rules low asks .*rules high for",
    ),
    (
        "rules_that_exclude_each_other",
        {"gate.rules": [{**SERVED, "bound": 0.04}]},
        r"gate\.min_precision .* gate\.rules cap",
    ),
]

TABLE += [
    (
        "rules_of_unknown_metrics",
        {"gate.rules": [{"name": "low", "metric": metric, "bound": 0.1, "slice": slice}]},
        named,
    )
    for metric, slice, named in (
        ("test_served.precison_at_5", "", r"low: .* did you mean test_served\.precision_at_5"),
        ("recall_at_10", "", r"no metric recall_at_10; did you mean test_served\.recall_at_10"),
        ("test_served.precision_at_7", "", r"no metric test_served\.precision_at_7"),
        ("ndcg_at_10", "users.young", r"no slice users\.young"),
        ("ndcg_at_10", "user.1-4", r"did you mean users\.1-4"),
        ("test_served.mrr", "users.1-4", r"no metric test_served\.mrr in slice users\.1-4"),
    )
]

FIT = [
    {
        "gate.rules": [{"name": "a", "metric": "test_served.precision_at_7", "bound": 0}],
        "evaluate.ks": [7],
    },
    {"gate.rules": [{"name": "a", "metric": "slices.users.1-4.ndcg_at_10", "bound": 0}]},
    {"source.movies": "m.csv", "source.ratings": "r.csv"},
    {"positives.threshold": 3.5},
    {"positives.weak_threshold": 4.5, "positives.threshold": 3.5, "positives.weak_weight": 0},
    {"checks.min_of_champion": 0.9},
    {"train.loss": "bpr"},
    {"train.loss": "warp-kos", "positives.weak_weight": 1},
    {"train.item_alpha": 1e-6},
    {"tune.method": "grid", "tune.trials": 324, "train.engine": "recsys"},
    {"index.min_recall": 0.8, "index.search_k": 500},
    {"gate.rules": [LOW, {**HIGH, "metric": "ndcg_at_10", "slice": "users.1-4"}]},
    {"positives.as_of": "2026-11-24T03:00:00Z"},
]


@pytest.mark.parametrize(("rule", "overrides", "named"), TABLE)
def test_a_contradiction_is_refused_by_name(rule, overrides, named):
    with pytest.raises(SettingsError, match=named):
        Settings.load(overrides=overrides)


def test_every_rule_has_its_line_in_the_table():
    assert {rule.__name__ for rule in RULES} == {rule for rule, _, _ in TABLE}


@pytest.mark.parametrize("overrides", FIT)
def test_settings_that_hold_together_stay_as_they_are_given(overrides):
    settings = Settings.load(overrides=overrides)
    assert Settings.load(overrides=settings.flat()) == settings


@pytest.mark.parametrize("preset", PRESETS)
def test_no_preset_contradicts_itself(preset):
    assert Settings.load(preset).flat()


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "24.11.2026", "2026-11-24T25:00"])
def test_a_moment_that_is_none_is_refused_before_anything_runs(moment):
    with pytest.raises(SettingsError, match=r"^positives\.as_of: .* is not a time such as"):
        Settings.load(overrides={"positives.as_of": moment})
