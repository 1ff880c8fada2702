"""Real ratings as the values that the core takes, read once a session."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from recsys_tasks.data.tables import MovieTable, RatingTable

settings.register_profile("shared cores", deadline=None)  # other work may slow any example
settings.load_profile("shared cores")

Tables = tuple[RatingTable, MovieTable]


@pytest.fixture(scope="session")
def real_tables(sample: Path) -> Tables:
    """The sample: 100,004 ratings of 671 users, 9,066 movies; both tables in order."""
    rows = np.loadtxt(sample / "ratings.csv", delimiter=",", skiprows=1)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    with (sample / "movies.csv").open(encoding="utf-8", newline="") as lines:
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
