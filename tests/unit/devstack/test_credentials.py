"""The stack's secrets: made once, kept, closed to others."""

import stat

import pytest

from recsys_tasks.devstack.credentials import Credentials
from recsys_tasks.errors import SettingsError


def test_secrets_stay_the_same_for_a_folder_and_differ_between_folders(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir(), second.mkdir()
    assert Credentials.keep(first) == Credentials.keep(first)
    assert Credentials.keep(first) != Credentials.keep(second)


def test_the_file_is_closed_to_others(tmp_path):
    Credentials.keep(tmp_path)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_the_token_secret_has_at_least_64_bytes():
    assert len(Credentials().airflow_jwt) >= 64


def test_no_secret_shows_in_a_repr():
    credentials = Credentials()
    assert credentials.postgres not in repr(credentials)


@pytest.mark.parametrize("text", ["", "[]", '{"postgres": "x", "unheard_of": "y"}'])
def test_a_damaged_file_is_one_sentence(tmp_path, text):
    (tmp_path / "secrets.json").write_text(text)
    with pytest.raises(SettingsError, match="is no use"):
        Credentials.keep(tmp_path)
