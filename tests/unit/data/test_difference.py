"""When a comparison of a snapshot with the table gives up: early where much differs, late where little does."""

import io
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

from recsys_tasks.data.csv.ratings import Ratings
from recsys_tasks.data.load import difference
from recsys_tasks.data.load.difference import Difference, TooDifferentError
from recsys_tasks.data.tables import RatingTable

USERS, MOVIES = 1000, 20


class OfArrays(Difference):
    """A comparison whose table lies in memory."""

    def _read(self, after: int, upto: int) -> RatingTable:
        users = np.arange(after + 1, min(upto, USERS) + 1).repeat(MOVIES)
        return RatingTable(
            users, movies_of(users), np.ones(len(users), np.float32), np.zeros(len(users), np.int64)
        )


def movies_of(users: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.tile(np.arange(1, MOVIES + 1), len(users) // MOVIES)


def compared(monkeypatch: pytest.MonkeyPatch, changed: NDArray[np.bool_]) -> int:
    """Rows of the snapshot that were looked at, block by block, before the comparison gave up."""
    monkeypatch.setattr(difference, "FEW_ROWS", 10)
    looked_at = 0
    users = np.arange(1, USERS + 1).repeat(MOVIES)
    columns = (users, movies_of(users), np.full(len(users), 2), changed.astype(np.int64), users)
    comparison = OfArrays(cast(Cursor, None), "any", io.BytesIO(), len(users))

    def blocks():
        nonlocal looked_at
        for block in np.split(np.arange(len(users)), 20):
            looked_at += len(block)
            yield Ratings(*(column[block] for column in columns))

    try:
        for _ in comparison.rows(blocks()):
            pass
    except TooDifferentError:
        return looked_at
    return 0


def test_many_changes_from_the_start_end_it_early(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = np.arange(USERS * MOVIES) % 50 == 0
    assert 0 < compared(monkeypatch, changed) <= USERS * MOVIES // 4


def test_few_changes_do_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compared(monkeypatch, np.arange(USERS * MOVIES) % 120 == 0) == 0


def test_what_comes_late_and_is_little_in_all_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed = np.arange(USERS * MOVIES) >= 0.98 * USERS * MOVIES
    assert compared(monkeypatch, changed) == 0
