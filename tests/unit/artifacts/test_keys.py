"""Keys are made of checked names only, so that no name leads out of its prefix."""

import pytest

from recsys_tasks.artifacts import keys
from recsys_tasks.errors import SettingsError

VERSION = "20261124T030000Z-1a2b3c4d"


def test_the_layout_is_that_of_the_contract() -> None:
    assert keys.runs("movielens", VERSION) == f"movielens/runs/{VERSION}/"
    assert keys.manifest("movielens", VERSION) == f"movielens/versions/{VERSION}/manifest.json"
    assert keys.pointer("movielens") == "movielens/channels/champion.json"
    assert keys.history("movielens") == "movielens/channels/history/"


@pytest.mark.parametrize("name", ["", "..", "a/b", "../a", "/a", "A", "a b", "1a", "a\n", "a" * 64])
def test_a_hostile_dataset_makes_no_key(name: str) -> None:
    for make in (keys.versions, keys.pointer, keys.history):
        with pytest.raises(SettingsError):
            make(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "-a", "a b", "é", "a\n", "a" * 81])
def test_a_hostile_version_or_channel_makes_no_key(name: str) -> None:
    with pytest.raises(SettingsError):
        keys.version("movielens", name)
    if len(name) < 31:
        with pytest.raises(SettingsError):
            keys.pointer("movielens", name)
