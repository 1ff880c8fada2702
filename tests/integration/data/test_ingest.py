"""One load into a real Postgres: the tables hold the good rows, the account the others."""

from pathlib import Path

import numpy as np
import pytest

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.blocks import Block
from recsys_tasks.data.csv.ratings import RatingsReader
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load import merge
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.data.load.merge import TableLoad
from recsys_tasks.data.tables import RatingTable
from recsys_tasks.errors import InputRejected, PermanentError


def source(folder: Path, **settings: object) -> SourceSettings:
    files = {"movies": str(folder / "movies.csv"), "ratings": str(folder / "ratings.csv")}
    return SourceSettings.model_validate(files | settings)


@pytest.mark.services
def test_the_sample_arrives_whole(database: Database, sample: Path) -> None:
    account = ingest(database, source(sample), "mls", "test")
    assert [(f.role, f.read, f.loaded) for f in account.files] == [
        ("movies", 9066, 9066),
        ("ratings", 100004, 100004),
    ]
    ratings, movies = database.read_ratings("mls"), database.read_movies("mls")
    assert len(np.unique(ratings.user_id)) == 671
    assert (len(ratings), len(movies)) == (100004, 9066)
    assert int((ratings.rating == 5).sum()) == 15095
    assert sum(map(len, movies.genres)) + len(movies) == 29298
    assert (ratings.user_id[0], ratings.movie_id[0], ratings.rating[0]) == (1, 31, 2.5)
    assert ratings.rated_at[0] == 1260759144


@pytest.mark.services
def test_an_account_that_does_not_add_up_keeps_nothing(
    database: Database, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_one(self: TableLoad, file_id: int) -> int:
        return 19

    monkeypatch.setattr(TableLoad, "merge_movies", lose_one)
    with pytest.raises(PermanentError, match="does not add up"):
        ingest(database, source(bad / "good"), "mls", "test")
    assert database.fetch("SELECT count(*) FROM mls.ingested_files") == [(0,)]


@pytest.mark.services
def test_a_file_that_changes_while_it_is_read_is_refused(
    database: Database, bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = tmp_path / "ratings.csv"
    ratings.write_bytes((bad / "good/ratings.csv").read_bytes())
    read = RatingsReader.read

    def read_late(self: RatingsReader, block: Block) -> object:
        ratings.write_bytes(b"another file")
        return read(self, block)

    monkeypatch.setattr(RatingsReader, "read", read_late)
    with pytest.raises(InputRejected, match="changed while it was read"):
        ingest(database, source(bad / "good", ratings=str(ratings)), "mls", "test")
    assert len(database.read_movies("mls")) == 0


@pytest.mark.services
def test_only_ratings_from_so_many_stars_are_read_when_asked(
    database: Database, sample: Path
) -> None:
    ingest(database, source(sample), "mls", "test")
    best = database.read_ratings("mls", at_least=5)
    assert len(best) == 15095
    assert set(best.rating.tolist()) == {5.0}


@pytest.mark.services
def test_large_loads_take_the_same_rows_as_small_ones(
    database: Database, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bulk way of updating, forced on a small file, against the row-by-row way."""
    ingest(database, source(bad / "good"), "mls", "test")
    monkeypatch.setattr(merge, "BULK_ROWS", 1)
    newer = source(bad / "good", ratings=str(bad / "v13_no_five_star.ratings.csv"))
    ingest(database, newer, "mls", "test")
    keys = database.fetch(
        "SELECT conname FROM pg_constraint WHERE conrelid = 'mls.ratings'::regclass"
        " AND contype IN ('p', 'f') AND convalidated ORDER BY 1"
    )
    assert keys == [("ratings_movie_id_fkey",), ("ratings_pkey",)]
    assert database.read_ratings("mls").rating.max() == 4.5


def test_an_unordered_reading_is_put_in_order() -> None:
    rng = np.random.default_rng(1)
    for largest in (1000, 2**62):
        user = rng.integers(1, largest, 500)
        movie = rng.integers(1, largest, 500)
        table = RatingTable(user, movie, user.astype(np.float32), movie)
        found = table.ordered()
        assert list(zip(found.user_id, found.movie_id, strict=True)) == sorted(
            zip(user, movie, strict=True)
        )
        assert (found.rating == found.user_id.astype(np.float32)).all()
        assert found.ordered().user_id is found.user_id or largest > 1000
