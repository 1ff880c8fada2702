"""Logs have a size and an age: what is shortened, what is removed, and what nobody loses."""

import os
import sys
import time

import pytest

from recsys_tasks.devstack import log_files
from recsys_tasks.devstack.log_files import LogFiles, remove_old, rotate
from recsys_tasks.devstack.process import start_child, wait_until

DAY = 86400


def test_a_log_within_its_limit_stays_as_it_is(tmp_path):
    (log := tmp_path / "a.log").write_text("short")
    rotate(log, 5)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.log", "short")]


def test_a_server_goes_on_writing_at_the_start_of_the_emptied_log(tmp_path):
    script = (
        "import pathlib, time; print('before', flush=True)\n"
        f"while not pathlib.Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.01)\n"
        "print('after', flush=True)"
    )
    child = start_child("server", [sys.executable, "-c", script], log := tmp_path / "server.log")
    assert wait_until(lambda: "before" in log.read_text(), child, 30)
    rotate(log, 3)
    (tmp_path / "go").touch()
    child.process.wait(30)
    assert log.read_bytes() == b"after\n"
    older = tmp_path / "server.log.1"
    assert older.read_text() == "before\n"
    assert older.stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_copied_keeps_what_it_holds(tmp_path):
    (log := tmp_path / "a.log").write_text("long enough")
    (tmp_path / "a.log.1").mkdir()
    with pytest.raises(OSError, match=r"a\.log\.1"):
        rotate(log, 3)
    assert log.read_text() == "long enough"


def test_old_task_logs_go_with_their_folders_and_newer_ones_stay(tmp_path):
    for name, days in (("gone/old.log", 31), ("kept/old.log", 31), ("kept/new.log", 29)):
        (file := tmp_path / name).parent.mkdir(exist_ok=True)
        file.write_text(name)
        os.utime(file, (moment := time.time() - days * DAY, moment))
    remove_old(tmp_path, time.time() - 30 * DAY)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["kept", "kept/new.log"]


def test_no_link_leads_out_of_the_folder(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "logs"
    outside.mkdir()
    (outside / "precious").write_text("x")
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    remove_old(inside, time.time() + DAY)
    (swapped := tmp_path / "swapped").symlink_to(outside)
    remove_old(swapped, time.time() + DAY)
    assert (outside / "precious").exists()


def test_a_look_takes_every_log_of_the_stack_and_survives_a_disk_that_refuses(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(log_files, "EVERY", 0.0)
    monkeypatch.setattr(log_files, "LIMIT", 3)
    (tmp_path / "s3.log").write_text("long")
    logs = LogFiles(tmp_path, [tmp_path / "absent"])
    logs.look()
    assert (tmp_path / "s3.log").read_text() == ""
    (tmp_path / "s3.log").write_text("more")
    (tmp_path / "s3.log.1").unlink()
    (tmp_path / "s3.log.1").mkdir()
    logs.look()
    assert (tmp_path / "s3.log").read_text() == "more"
