"""Progress lines: rate and time left, and none for what is done at once."""

import logging

import pytest

from recsys_tasks.data.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _listen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_a_line_says_share_rate_and_time_left(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    progress = Progress("r.csv", "rows", 1000, clock)
    clock.now += 10
    progress.add(5000, byte=250)
    assert caplog.messages == ["r.csv: 25%, 5,000 rows, 500 a second, 30 s left"]


def test_what_was_there_before_does_not_count_as_speed(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    progress = Progress("r.zip", "bytes", 1000, clock)
    progress.resume(500)
    clock.now += 10
    progress.add(250, byte=750)
    assert caplog.messages == ["r.zip: 75%, 250 bytes, 25 a second, 10 s left"]


def test_without_a_known_end_there_is_no_time_left(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    progress = Progress("r.zip", "bytes", None, clock)
    clock.now += 6
    progress.add(12, byte=12)
    assert caplog.messages == ["r.zip: 12 bytes, 2 a second"]


def test_quick_work_writes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    progress = Progress("r.csv", "rows", 1000, clock)
    clock.now += 4
    progress.add(1, byte=10)
    assert caplog.messages == []
