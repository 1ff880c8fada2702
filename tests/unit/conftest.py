"""Real ratings as the values that the core takes, read once a session."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from recsys_tasks.data.tables import MovieTable, RatingTable

settings.register_profile("shared cores", deadline=None)  # other work may slow any example
settings.load_profile("shared cores")

Tables = tuple[RatingTable, MovieTable]


@pytest.fixture(scope="session")
def read_tables(shared: Path) -> Callable[[str], Tables]:
    """Reads a folder of ``shared/data`` as a rating table and a movie table."""

    def read(name: str) -> Tables:
        folder = shared / "data" / name
        rows = np.loadtxt(folder / "ratings.csv", delimiter=",", skiprows=1)
        rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
        with (folder / "movies.csv").open(encoding="utf-8", newline="") as lines:
            movies = sorted((int(i), title, tags) for i, title, tags in list(csv.reader(lines))[1:])
        return (
            RatingTable(
                rows[:, 0].astype(np.int64),
                rows[:, 1].astype(np.int64),
                rows[:, 2].astype(np.float32),
                rows[:, 3].astype(np.int64),
            ),
            MovieTable(
                np.array([i for i, _, _ in movies], dtype=np.int64),
                tuple(title for _, title, _ in movies),
                tuple(tuple(dict.fromkeys(tags.split("|"))) for _, _, tags in movies),
            ),
        )

    return read


@pytest.fixture(scope="session")
def movielens_small(read_tables: Callable[[str], Tables]) -> Tables:
    """ml-latest-small: 100,836 ratings of 610 users, 9,742 movies."""
    return read_tables("ml-latest-small")
