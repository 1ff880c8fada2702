"""For one release a setting may also be given by its name of the release before."""

import pytest

from recsys_tasks.config.renamed import RENAMED, with_new_names
from recsys_tasks.config.settings import Settings, parse_assignments, setting_names
from recsys_tasks.errors import SettingsError

NOW = ("positives.weak_threshold", "positives.weak_weight", "train.full_retrain_every")


def test_each_new_name_is_a_setting_and_no_old_one_is() -> None:
    assert sorted(RENAMED.values()) == sorted(NOW)
    assert set(NOW) <= set(setting_names())
    assert not RENAMED.keys() & set(setting_names())


def test_an_old_name_in_a_file_and_after_set_means_the_new_one(tmp_path, caplog) -> None:
    file = tmp_path / "old.toml"
    file.write_text("[positives]\nliked_from = 3.5\n[train]\nanchor_every = 3\n")
    overrides = parse_assignments(["positives.liked_weight=0.25"])
    flat = Settings.load("article", file, overrides).flat()
    assert [flat[name] for name in NOW] == [3.5, 0.25, 3]
    for old, new in RENAMED.items():
        assert f"{old} is now {new}" in caplog.text


def test_both_names_of_one_setting_are_refused() -> None:
    given = {"positives.liked_weight": 0.25, "positives.weak_weight": 0.5}
    with pytest.raises(SettingsError, match="is the old name of"):
        Settings.load(overrides=given)


def test_what_an_older_manifest_says_compares_by_the_names_of_today() -> None:
    old = {"positives.liked_weight": 0.5, "train.anchor_every": 7, "split.seed": 1}
    assert with_new_names(old) == {
        "positives.weak_weight": 0.5,
        "train.full_retrain_every": 7,
        "split.seed": 1,
    }
