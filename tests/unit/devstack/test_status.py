"""The stack's own word on whether it runs."""

import pytest

from recsys_tasks.devstack.status import (
    RUNNING,
    Part,
    Status,
    hold_lock,
    is_locked,
    read_env,
    read_status,
    write_env,
    write_status,
)


def test_a_folder_is_locked_for_as_long_as_its_holder_lives(tmp_path):
    assert is_locked(tmp_path) is False
    with hold_lock(tmp_path) as held:
        assert (held, is_locked(tmp_path)) == (True, True)
    assert is_locked(tmp_path) is False


def test_a_second_supervisor_does_not_get_the_lock(tmp_path):
    with hold_lock(tmp_path), hold_lock(tmp_path) as second:
        assert second is False


def test_connections_left_by_a_crash_are_not_given_out(tmp_path):
    write_env(tmp_path, {"RECSYS_S3_BUCKET": "recsys"})
    assert read_env(tmp_path) is None
    with hold_lock(tmp_path):
        assert read_env(tmp_path) == {"RECSYS_S3_BUCKET": "recsys"}


@pytest.mark.parametrize("parts", [(), (Part("Postgres", "127.0.0.1:1", 0.5, "a.log", 7),)])
def test_a_status_is_read_as_it_was_written(tmp_path, parts):
    status = Status(supervisor=7, phase=RUNNING, started=1.5, parts=parts)
    write_status(tmp_path, status)
    assert read_status(tmp_path) == status
