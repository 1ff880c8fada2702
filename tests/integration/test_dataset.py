"""The data step's stream over a real Postgres gives, byte for byte, what the whole tables give."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from snapshots import write_snapshots

from recsys_tasks.artifacts.arrays import read_npz
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.data.tables import RatingTable
from recsys_tasks.matrices.interactions import build_id_maps, build_interactions, build_seen
from recsys_tasks.matrices.parts import DTYPES, Part, join_csr, join_interactions
from recsys_tasks.pipeline.dataset import Dataset, read_dataset

pytestmark = pytest.mark.services


@pytest.fixture
def loaded(database_url: str, sample: Path, tmp_path_factory: Any) -> Database:
    """A snapshot, then a later one in its place: rows lie out of order, and there is a history."""
    database = Database(database_url)
    database.migrate("mt")
    folder = tmp_path_factory.mktemp("snapshots")
    snapshots = write_snapshots(sample, folder)
    for name in ("earlier", "later"):
        ingest(database, snapshots[name], "mt", name)
    users = [user for (user,) in database.fetch("SELECT user_id FROM mt.ratings ORDER BY ctid")]
    assert users != sorted(users)
    return database


def loaded_at(database: Database, run: str) -> str:
    query = "SELECT max(loaded_at) FROM mt.ingested_files WHERE run = %s"
    ((moment,),) = database.fetch(query, (run,))
    return moment.isoformat()


def assert_equals_the_whole(found: Dataset, database: Database, settings: Settings) -> None:
    whole = database.read("mt", settings.as_of_time())
    users, items = build_id_maps(whole.ratings, whole.movies)
    seen = build_seen(whole.ratings, users, items)
    expected = build_interactions(whole.ratings, users, items, settings.positives)
    assert np.array_equal(found.gathered.users.ids, users.ids)
    assert found.files == whole.files
    assert found.movies.title == whole.movies.title
    parts = [
        Part.from_arrays(facts.first, len(items), read_npz(path, path.name, DTYPES))
        for facts, path in zip(found.gathered.parts, sorted(found.folder.iterdir()), strict=True)
    ]
    assert len(parts) > 2
    joined = join_interactions([part.interactions() for part in parts])
    for name, array in expected.to_arrays().items():
        assert joined.to_arrays()[name].tobytes() == array.tobytes()
    everything = join_csr([part.seen() for part in parts])
    assert np.array_equal(everything.indptr, seen.indptr)
    assert np.array_equal(everything.indices, seen.indices)


@pytest.mark.parametrize("run", ["", "earlier"], ids=["now", "as of the first load"])
def test_the_stream_gives_what_the_whole_tables_give(loaded, tmp_path, run):
    graded = {
        "positives.weak_threshold": 7 / 2,
        "positives.weak_weight": 0.5,
        "train.part_ratings": 3000,
    }
    moment = {"positives.as_of": loaded_at(loaded, run)} if run else {}
    settings = Settings.load("nightly", overrides=graded | moment)
    found = read_dataset(loaded, "mt", settings, tmp_path)
    assert found.gathered.tally.ratings == (10_000 if run else 15_000)
    assert_equals_the_whole(found, loaded, settings)


def test_what_goes_wrong_in_a_block_is_what_the_reader_raises(loaded):
    def refuse(block: RatingTable) -> None:
        raise LookupError(len(block))

    with pytest.raises(LookupError, match="15000"), loaded.reading("mt", None) as tables:
        tables.stream_ratings(refuse)


def test_pairs_are_those_of_the_ratings_that_reach_the_stars(loaded):
    users, movies = loaded.read_pairs("mt", at_least=4.5)
    table = loaded.read_ratings("mt", at_least=4.5)
    assert sorted(zip(users, movies, strict=True)) == list(
        zip(table.user_id, table.movie_id, strict=True)
    )
    assert [len(column) for column in loaded.read_pairs("mt", at_least=5.5)] == [0, 0]
