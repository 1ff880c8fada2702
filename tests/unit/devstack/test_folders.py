"""Where the stack's files lie, and who may walk there."""

import os
import stat

import pytest

from recsys_tasks.devstack import folders
from recsys_tasks.errors import SettingsError


@pytest.fixture
def closed(tmp_path):
    """A folder that only its owner may enter."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    return folder


def test_a_closed_folder_on_the_way_is_noticed_even_before_the_rest_exists(closed):
    assert folders.open_to_all(closed / "clone" / ".recsys") is False


def test_root_in_a_closed_clone_keeps_the_database_outside(closed, monkeypatch):
    monkeypatch.setattr(folders, "database_user", lambda: "nobody")
    monkeypatch.setattr(folders, "OUTSIDE", closed)
    home = folders.database_home(closed / ".recsys")
    assert home == folders.outside_folder(closed / ".recsys")
    assert stat.S_IMODE(home.stat().st_mode) == 0o711


def test_an_ordinary_account_keeps_everything_in_the_clone(closed, monkeypatch):
    monkeypatch.setattr(folders, "database_user", lambda: None)
    assert folders.database_home(closed / ".recsys") == closed / ".recsys"


def test_two_clones_have_two_outside_folders(tmp_path):
    assert folders.outside_folder(tmp_path / "a") != folders.outside_folder(tmp_path / "b")


def test_a_link_that_someone_put_in_its_place_is_refused(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(SettingsError, match="belongs to someone else"):
        folders.state_folder(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can give a folder away")
def test_a_folder_of_another_account_is_refused(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(SettingsError, match="belongs to someone else"):
        folders.state_folder(folder)


def test_a_file_where_the_folder_should_be_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"file/\.recsys cannot be made"):
        folders.state_folder(tmp_path / "file" / ".recsys")
