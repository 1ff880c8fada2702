"""One load after another: what the tables hold then, and what they held at any moment before."""

import csv
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from snapshots import write_snapshots

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.db.postgres import Database, TableReader
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.data.tables import LoadAccount, MovieTable
from recsys_tasks.errors import InputRejected, SettingsError

pytestmark = pytest.mark.services
DATASET = "mls"
START = 1_000_000_000

Ratings = dict[tuple[int, int], tuple[float, int]]
Movies = dict[int, str]
Load = Callable[..., LoadAccount]


def write_csv(path: Path, header: str, rows: list[tuple[object, ...]]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return str(path)


def load_into(database: Database, folder: Path) -> Load:
    """Loads ratings and movies given as plain values; their order in the file is as given."""

    def load(
        ratings: list[tuple[int, int, float, int]] | None = None,
        movies: Mapping[int, str] | None = None,
        **more: object,
    ) -> LoadAccount:
        named: dict[str, object] = dict(more)
        if movies is not None:
            rows = [(movie, title, "Drama") for movie, title in movies.items()]
            named["movies"] = write_csv(folder / "movies.csv", "movieId,title,genres", rows)
        if ratings is not None:
            header = "userId,movieId,rating,timestamp"
            named["ratings"] = write_csv(folder / "ratings.csv", header, list(ratings))
        return ingest(database, SourceSettings.model_validate(named), DATASET, "test")

    return load


@pytest.fixture
def load(database: Database, tmp_path: Path) -> Load:
    return load_into(database, tmp_path)


def ratings_in(database: Database, as_of: datetime | None = None) -> Ratings:
    table = database.read_ratings(DATASET, as_of)
    pairs = list(zip(table.user_id.tolist(), table.movie_id.tolist(), strict=True))
    assert pairs == sorted(pairs)
    values = zip(table.rating.tolist(), table.rated_at.tolist(), strict=True)
    return dict(zip(pairs, values, strict=True))


def movies_in(database: Database, as_of: datetime | None = None) -> Movies:
    table = database.read_movies(DATASET, as_of)
    return dict(zip(table.movie_id.tolist(), table.title, strict=True))


def moment_of(database: Database) -> datetime:
    return database.fetch("SELECT clock_timestamp()")[0][0]


MOVIES = {1: "One", 2: "Two", 3: "Three"}


def test_a_later_rating_of_a_pair_takes_its_place_and_an_older_one_does_not(
    database: Database, load: Load
) -> None:
    load([(1, 1, 3.0, START), (1, 2, 4.0, START)], MOVIES)
    account = load([(1, 1, 5.0, START + 1), (1, 2, 1.0, START - 1), (2, 1, 2.0, START)])
    assert ratings_in(database) == {
        (1, 1): (5.0, START + 1),
        (1, 2): (4.0, START),
        (2, 1): (2.0, START),
    }
    assert (account.files[0].loaded, account.files[0].duplicate) == (2, 1)


def test_a_correction_at_the_same_time_wins(database: Database, load: Load) -> None:
    load([(1, 1, 3.0, START)], MOVIES)
    load([(1, 1, 4.5, START)])
    assert ratings_in(database) == {(1, 1): (4.5, START)}


@pytest.mark.parametrize("reverse", [False, True])
def test_the_latest_of_a_file_wins_whatever_the_order_of_rows(
    database: Database, load: Load, reverse: bool
) -> None:
    rows = [(1, 1, 3.0, START), (1, 1, 4.0, START + 5), (1, 1, 2.0, START + 2), (2, 1, 1.0, START)]
    account = load(rows[::-1] if reverse else rows, MOVIES)
    assert ratings_in(database) == {(1, 1): (4.0, START + 5), (2, 1): (1.0, START)}
    assert (account.files[1].loaded, account.files[1].duplicate) == (2, 2)


def test_two_ratings_of_a_pair_at_one_time_that_differ_are_both_set_aside(
    database: Database, load: Load
) -> None:
    rows = [(1, 1, 3.0, START), (1, 1, 4.0, START), (1, 1, 5.0, START - 9), (2, 1, 1.0, START)]
    account = load(rows, MOVIES)
    assert ratings_in(database) == {(2, 1): (1.0, START)}
    file = account.files[1]
    assert (file.loaded, file.rejected, file.duplicate) == (1, 2, 1)
    assert sorted(row.line for row in account.rejections) == [2, 3]


def test_identical_rows_count_once(database: Database, load: Load) -> None:
    account = load([(1, 1, 3.0, START)] * 3, MOVIES)
    assert (account.files[1].loaded, account.files[1].duplicate) == (1, 2)
    assert len(ratings_in(database)) == 1


def test_of_an_id_that_names_two_movies_the_later_is_set_aside(
    database: Database, tmp_path: Path
) -> None:
    rows = [(1, "One", "Drama"), (1, "Uno", "Drama"), (2, "Two", "Drama"), (2, "Two", "Drama")]
    path = write_csv(tmp_path / "movies.csv", "movieId,title,genres", rows)
    account = ingest(database, SourceSettings(movies=path), DATASET, "test")
    assert movies_in(database) == {1: "One", 2: "Two"}
    file = account.files[0]
    assert (file.loaded, file.rejected, file.duplicate) == (2, 1, 1)


def test_a_file_that_was_loaded_is_left_alone_and_says_so(database: Database, load: Load) -> None:
    first = load([(1, 1, 3.0, START)], MOVIES)
    again = load([(1, 1, 3.0, START)], MOVIES)
    assert [file.already_loaded for file in first.files] == [False, False]
    assert [file.already_loaded for file in again.files] == [True, True]
    assert [file.loaded for file in again.files] == [3, 1]
    assert database.fetch(f"SELECT count(*) FROM {DATASET}.ingested_files") == [(2,)]


def test_a_file_that_a_snapshot_replaced_is_loaded_again(database: Database, load: Load) -> None:
    load([(1, 1, 3.0, START)], MOVIES, replace=True)
    load([(2, 2, 4.0, START)], MOVIES, replace=True)
    again = load([(1, 1, 3.0, START)], MOVIES, replace=True)
    assert not again.files[1].already_loaded
    assert ratings_in(database) == {(1, 1): (3.0, START)}


def test_ratings_of_a_movie_that_came_later_are_taken_from_the_same_file(
    database: Database, load: Load
) -> None:
    rows = [(1, 1, 3.0, START), (1, 9, 5.0, START)]
    assert load(rows, MOVIES).files[1].rejected == 1
    account = load(rows, {**MOVIES, 9: "Nine"})
    assert (account.files[1].loaded, account.files[1].rejected) == (2, 0)
    assert len(ratings_in(database)) == 2
    assert database.fetch(f"SELECT count(*) FROM {DATASET}.rejected_rows") == [(0,)]


def test_the_same_bytes_read_in_another_way_are_another_file(
    database: Database, load: Load
) -> None:
    load([(1, 1, 3.0, START)], MOVIES)
    account = load([(1, 1, 3.0, START)], MOVIES, top_rating=10)
    assert not account.files[1].already_loaded
    assert ratings_in(database) == {(1, 1): (1.5, START)}


def test_a_snapshot_leaves_nothing_that_it_lacks(database: Database, load: Load) -> None:
    load([(1, 1, 3.0, START), (2, 2, 4.0, START)], MOVIES)
    load([(1, 1, 2.0, START - 5)], {1: "Uno"}, replace=True)
    assert ratings_in(database) == {(1, 1): (2.0, START - 5)}
    assert movies_in(database) == {1: "Uno"}


def test_a_snapshot_of_movies_alone_that_lacks_a_rated_one_is_refused(
    database: Database, load: Load
) -> None:
    load([(1, 1, 3.0, START)], MOVIES)
    with pytest.raises(InputRejected, match="movie 1 is missing"):
        load(movies={2: "Two"}, replace=True)
    assert movies_in(database) == MOVIES


@pytest.mark.parametrize("view", [False, True])
def test_another_generation_takes_the_tables_place_and_the_old_one_can_be_read(
    database: Database, load: Load, view: bool
) -> None:
    """With a view on the table its rows are moved; without one the table itself is retired."""
    if view:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE VIEW {DATASET}.seen AS SELECT * FROM {DATASET}.ratings")
    moments = []
    for generation in range(3):
        load([(user, 1, 1.0 + generation, START) for user in (1, 2, 3)], MOVIES, replace=True)
        moments.append(moment_of(database))
    for generation, moment in enumerate(moments):
        assert set(ratings_in(database, moment).values()) == {(1.0 + generation, START)}
    if view:
        assert database.fetch(f"SELECT DISTINCT rating::text FROM {DATASET}.seen") == [("3.0",)]
    keys = f"SELECT count(*) FROM pg_constraint WHERE conrelid = '{DATASET}.ratings'::regclass"
    assert database.fetch(f"{keys} AND contype IN ('p', 'f')") == [(2,)]
    retired = f"SELECT count(*) FROM pg_inherits WHERE inhparent = '{DATASET}.ratings_history'"
    assert database.fetch(f"{retired}::regclass") == [(0 if view else 2,)]


def test_each_rating_knows_its_file(database: Database, load: Load) -> None:
    load([(1, 1, 3.0, START), (1, 2, 4.0, START)], MOVIES)
    load([(1, 2, 5.0, START + 1)])
    found = database.fetch(
        f"SELECT movie_id, f.id FROM {DATASET}.ratings r JOIN {DATASET}.ingested_files f"
        " ON f.id = r.file_id ORDER BY 1"
    )
    assert found == [(1, 2), (2, 3)]


def test_the_lineage_names_the_files_that_rows_come_from(database: Database, load: Load) -> None:
    load([(1, 1, 3.0, START)], MOVIES)
    before = moment_of(database)
    load([(1, 1, 5.0, START + 1)])
    assert [file.read for file in database.lineage(DATASET)] == [3, 1]
    shas = [{file.sha256 for file in database.lineage(DATASET, at)} for at in (before, None)]
    assert len(shas[0] & shas[1]) == 1
    assert len(shas[0]) == len(shas[1]) == 2


def test_a_reading_shows_one_moment_whatever_is_loaded_meanwhile(
    database: Database, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot of another generation begins between the two tables and has to wait."""
    load([(1, 1, 3.0, START), (2, 1, 3.0, START)], MOVIES)
    movies_of = TableReader.movies
    loading: list[threading.Thread] = []

    def movies_after_a_load_began(self: TableReader) -> MovieTable:
        snapshot = {"ratings": [(3, 9, 5.0, START)], "movies": {9: "Nine"}, "replace": True}
        loading.append(threading.Thread(target=load, kwargs=snapshot))
        loading[0].start()
        await_blocked(database)
        return movies_of(self)

    monkeypatch.setattr(TableReader, "movies", movies_after_a_load_began)
    reading = database.read(DATASET)
    loading[0].join()
    monkeypatch.undo()
    assert reading.ratings.movie_id.tolist() == [1, 1]
    assert reading.movies.movie_id.tolist() == [1, 2, 3]
    assert len(reading.files) == 2
    assert ratings_in(database) == {(3, 9): (5.0, START)}


def await_blocked(database: Database) -> None:
    """Returns once a load waits for a table."""
    deadline = time.monotonic() + 60
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND NOT granted"
    while database.fetch(query) == [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_as_of_leaves_out_what_was_rated_later(database: Database, load: Load) -> None:
    load([(1, 1, 3.0, START), (1, 2, 3.0, START + 100)], MOVIES)
    assert ratings_in(database, moment_of(database)).keys() == {(1, 1), (1, 2)}
    between = database.fetch("SELECT %s::timestamptz", (moment_of(database),))[0][0]
    load([(1, 1, 3.0, START), (1, 2, 3.0, START + 100), (1, 3, 3.0, START + 20)], MOVIES)
    assert ratings_in(database, between).keys() == {(1, 1), (1, 2)}


def test_of_a_moment_before_the_first_load_its_ratings_up_to_then_are_read(
    database: Database, load: Load
) -> None:
    load([(1, 1, 3.0, START), (1, 2, 3.0, START + 100)], MOVIES)
    load([(1, 1, 3.0, START), (1, 2, 3.0, START + 100), (1, 3, 3.0, START)], MOVIES)
    moment = datetime.fromtimestamp(START + 50, UTC)
    assert ratings_in(database, moment).keys() == {(1, 1)}
    assert movies_in(database, moment)


def test_ratings_until_a_moment_are_read_whenever_they_were_loaded(
    database: Database, load: Load
) -> None:
    load([(1, 1, 3.0, START)], MOVIES)
    load([(1, 1, 3.0, START), (1, 2, 3.0, START + 100), (1, 3, 3.0, START)], MOVIES)
    moment = datetime.fromtimestamp(START + 50, UTC)
    with database.reading(DATASET, None, moment) as tables:
        found = tables.ratings()
    assert found.movie_id.tolist() == [1, 3]


def test_a_moment_to_come_or_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(SettingsError, match="future"):
        database.read_ratings(DATASET, datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(SettingsError, match="time zone"):
        database.read_ratings(DATASET, datetime(2020, 1, 1))


@pytest.mark.parametrize("first", ["earlier", "renumbered"])
def test_an_earlier_snapshot_then_a_later_one_ends_as_the_later_alone(
    database: Database, sample: Path, tmp_path: Path, first: str
) -> None:
    snapshots = write_snapshots(sample, tmp_path)
    ingest(database, snapshots[first], DATASET, "test")
    between = moment_of(database)
    earlier = ratings_in(database)
    ingest(database, snapshots["later"], DATASET, "test")
    database.migrate("alone")
    ingest(database, snapshots["later"], "alone", "test")
    for table, columns in (
        ("ratings", "user_id, movie_id, rating, rated_at"),
        ("movies", "id, title, genres"),
    ):
        query = f"SELECT {columns} FROM {{}}.{table} ORDER BY 1, 2"
        both, alone = (database.fetch(query.format(schema)) for schema in (DATASET, "alone"))
        assert both == alone
    assert ratings_in(database, between) == earlier
    assert len(earlier) == 10_000


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
values = st.tuples(st.sampled_from([1.0, 3.5, 5.0]), st.integers(START, START + 2))
tables = st.dictionaries(pairs, values, min_size=1, max_size=6)
titles = st.sampled_from(["a", "b"])
loads = st.lists(st.tuples(tables, st.tuples(titles, titles, titles), st.booleans()), max_size=5)


class Expected:
    """What tables hold after each load: the rules of docs/ingestion.md in a few lines of Python."""

    def __init__(self) -> None:
        self.ratings: Ratings = {}
        self.movies: Movies = {}
        self._live: dict[str, list[object]] = {"ratings": [], "movies": []}

    def load(self, ratings: Ratings, movies: Movies, replace: bool) -> None:
        if self._is_news("movies", list(movies.items()), replace):
            self.movies = movies if replace else self.movies | movies
        if self._is_news("ratings", list(ratings.items()), replace):
            old = {} if replace else self.ratings
            newer = {p: v for p, v in ratings.items() if p not in old or v[1] >= old[p][1]}
            self.ratings = old | newer

    def _is_news(self, role: str, content: object, replace: bool) -> bool:
        live = self._live[role]
        known = content in live and (not replace or live == [content])
        self._live[role] = live if known else [content] if replace else [*live, content]
        return not known


@given(history=loads)
@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a smaller example is not worth minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_moment_reads_as_it_was_then(
    database: Database, tmp_path: Path, history: list[tuple[Ratings, tuple[str, ...], bool]]
) -> None:
    drop_dataset(database)
    database.migrate(DATASET)
    load = load_into(database, tmp_path)
    expected = Expected()
    seen: list[tuple[datetime, Ratings, Movies]] = []
    for file, names, replace in history:
        movies = dict(enumerate(names, start=1))
        load([(*pair, *value) for pair, value in file.items()], movies, replace=replace)
        expected.load(file, movies, replace)
        assert ratings_in(database) == expected.ratings
        assert movies_in(database) == expected.movies
        seen.append((moment_of(database), expected.ratings, expected.movies))
    for moment, ratings, movies in seen:
        assert ratings_in(database, moment) == ratings
        assert movies_in(database, moment) == movies


def drop_dataset(database: Database) -> None:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {DATASET} CASCADE")
