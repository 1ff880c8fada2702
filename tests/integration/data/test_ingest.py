"""One load into a real Postgres: the tables hold the good rows, the account the others."""

from pathlib import Path

import numpy as np

from recsys_tasks.data.ingest import ingest
from recsys_tasks.data.postgres import Database
from recsys_tasks.settings import SourceSettings


def source(folder: Path, **settings: object) -> SourceSettings:
    files = {"movies": str(folder / "movies.csv"), "ratings": str(folder / "ratings.csv")}
    return SourceSettings.model_validate(files | settings)


def test_ml_latest_small_arrives_whole(database: Database, shared: Path) -> None:
    account = ingest(database, source(shared / "data/ml-latest-small"), "mls", "test")
    assert [(f.role, f.read, f.loaded) for f in account.files] == [
        ("movies", 9742, 9742),
        ("ratings", 100836, 100836),
    ]
    ratings, movies = database.read_ratings("mls"), database.read_movies("mls")
    assert len(np.unique(ratings.user_id)) == 610
    assert (len(ratings), len(movies)) == (100836, 9742)
    assert int((ratings.rating == 5).sum()) == 13211
    assert sum(map(len, movies.genres)) + len(movies) == 31826
    assert (ratings.user_id[0], ratings.movie_id[0], ratings.rating[0]) == (1, 1, 4.0)
    assert ratings.rated_at[0] == 964982703
