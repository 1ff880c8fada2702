"""Postgres: connections, locks, migrations, and the tables read into arrays.

Every statement takes its values as parameters and its schema as a quoted, validated identifier.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np
import psycopg2
import sqlalchemy
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.pool import NullPool

from recsys_tasks.config.settings import DatasetName
from recsys_tasks.data.db import migrations, roles
from recsys_tasks.data.db.addresses import checked
from recsys_tasks.data.db.copy_binary import (
    POSTGRES_EPOCH,
    ReadColumn,
    Records,
    copy_arrays,
    copy_bigint_arrays,
    copy_blocks,
)
from recsys_tasks.data.tables import FileAccount, MovieTable, RatingTable, Reading
from recsys_tasks.errors import DatabaseUnavailable, SettingsError

RATING_RECORD = np.dtype(
    [
        ("fields", ">i2"),
        ("user_length", ">i4"),
        ("user_id", ">i8"),
        ("movie_length", ">i4"),
        ("movie_id", ">i8"),
        ("rating_length", ">i4"),
        ("rating", "S3"),
        ("time_length", ">i4"),
        ("rated_at", ">i8"),
    ]
)
"""A COPY BINARY record of a rating; the rating travels as the three characters of numeric(2,1)."""


def _stars(rows: Records) -> NDArray[np.float32]:
    """float32 stars of the characters ``d.d``."""
    digits = np.ascontiguousarray(rows["rating"]).view(np.uint8).reshape(-1, 3)
    tenths = (digits[:, 0].astype(np.int16) - 48) * 10 + digits[:, 2] - 48
    return (tenths / np.float32(10)).astype(np.float32)


RATING_COLUMNS: dict[str, ReadColumn] = {
    "user_id": lambda rows: rows["user_id"].astype(np.int64),
    "movie_id": lambda rows: rows["movie_id"].astype(np.int64),
    "rating": _stars,
    "rated_at": lambda rows: rows["rated_at"] // 1_000_000 + POSTGRES_EPOCH,
}
"""How each column of a ``RatingTable`` is made from a block of records."""

LOCK_WAIT = "5min"
"""How long a load or a migration waits for readers of a table; readers that came later wait with it."""

LOCK_HOLDERS = """
    SELECT DISTINCT format('%%s (process %%s, %%s since %%s)', a.usename, a.pid, a.state, a.xact_start)
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE l.granted AND n.nspname = %s AND a.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

HOLD_TABLES = """
    LOCK TABLE {schema}.ratings, {schema}.ratings_history, {schema}.movies IN ACCESS SHARE MODE
"""

RATINGS_NOW = "SELECT user_id, movie_id, rating, rated_at, file_id FROM {schema}.ratings"

RATINGS_UNTIL = RATINGS_NOW + " WHERE rated_at <= {rated_by}"

BEGINNING = """
    SELECT greatest(min(loaded_at) FILTER (WHERE role = 'ratings'),
                    min(loaded_at) FILTER (WHERE role = 'movies'))
    FROM {schema}.ingested_files
"""

RATINGS_AS_OF = """
    SELECT r.user_id, r.movie_id, r.rating, r.rated_at, r.file_id
    FROM {schema}.ratings r JOIN {schema}.ingested_files f ON f.id = r.file_id
    WHERE f.loaded_at <= {loaded_by} AND r.rated_at <= {rated_by}
    UNION ALL
    SELECT h.user_id, h.movie_id, h.rating, h.rated_at, h.file_id
    FROM {schema}.ratings_history h
    JOIN {schema}.ingested_files f ON f.id = h.file_id
    JOIN {schema}.ingested_files e ON e.id = h.ended_by
    WHERE f.loaded_at <= {loaded_by} AND e.loaded_at > {loaded_by} AND h.rated_at <= {rated_by}
"""

MOVIES_NOW = "SELECT id, title, genres, file_id FROM {schema}.movies"

MOVIES_AS_OF = """
    SELECT m.id, m.title, m.genres, m.file_id
    FROM {schema}.movies m JOIN {schema}.ingested_files f ON f.id = m.file_id
    WHERE f.loaded_at <= {loaded_by}
    UNION ALL
    SELECT h.id, h.title, h.genres, h.file_id
    FROM {schema}.movies_history h
    JOIN {schema}.ingested_files f ON f.id = h.file_id
    JOIN {schema}.ingested_files e ON e.id = h.ended_by
    WHERE f.loaded_at <= {loaded_by} AND e.loaded_at > {loaded_by}
"""


class Database:
    """One Postgres; each dataset has its own schema in it.

    Args:
        url: ``postgresql://user:password@host:port/name?sslmode=…``, with any parameter of libpq; kept
            out of ``repr``.

    Raises:
        SettingsError: this is no such URL.
    """

    def __init__(self, url: str) -> None:
        self.url = checked(url)

    def __repr__(self) -> str:
        return "Database(…)"

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection in a transaction: committed at the end, rolled back by closing on an error.

        Raises:
            DatabaseUnavailable: Postgres is away or broke the connection off.
        """
        with _translated():
            connection = psycopg2.connect(self.url, connect_timeout=10)
            try:
                yield connection
                connection.commit()
            finally:
                connection.close()

    @contextmanager
    def advisory_lock(self, name: str) -> Iterator[None]:
        """Holds the lock ``name`` for the block's length; a second holder waits for it.

        The lock is Postgres's: it goes when the process dies.
        """
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(name),))
            yield

    def migrate(self, dataset: str, with_roles: bool = False) -> str:
        """Makes or upgrades the dataset's schema and returns its revision.

        Two at once queue on an advisory lock, so the second finds nothing to do. The rights of the
        roles in ``roles`` are given where the roles exist.

        Args:
            dataset: name of the dataset.
            with_roles: make the roles first, which takes an account that may.

        Raises:
            SettingsError: no such name, or the account lacks a right.
            DatabaseUnavailable: Postgres is away.
        """
        schema = validated(dataset)
        engine = sqlalchemy.create_engine(
            self.url.replace("postgresql://", "postgresql+psycopg2://", 1),
            poolclass=NullPool,
            connect_args={"connect_timeout": 10},
        )
        with (
            self.naming_lock_holders(dataset),
            _translated(),
            engine.begin() as connection,
        ):
            connection.execute(
                sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"),
                {"key": lock_key(f"load:{dataset}")},
            )
            connection.execute(sqlalchemy.text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
            driver: Connection = connection.connection.driver_connection  # type: ignore[assignment]
            with driver.cursor() as cursor:
                if with_roles:
                    roles.create_roles(cursor)
                if not sqlalchemy.inspect(connection).has_schema(schema):
                    connection.execute(sqlalchemy.schema.CreateSchema(schema))
                revision = migrations.upgrade(connection, schema)
                roles.grant_rights(cursor, schema)
            return revision

    def read(self, dataset: str, as_of: datetime | None = None) -> Reading:
        """Ratings, movies and the files behind them, all of one moment.

        A load that commits meanwhile shows in none of them: each rating's movie is there.

        Args:
            dataset: name of the dataset.
            as_of: what was rated and loaded up to this moment, whatever came later; None: all.

        Raises:
            SettingsError: ``as_of`` lies in the future, or has no time zone.
        """
        with self.reading(dataset, as_of) as tables:
            return Reading(tables.ratings(), tables.movies(), tables.files())

    def read_ratings(
        self, dataset: str, as_of: datetime | None = None, at_least: float = 0
    ) -> RatingTable:
        """The ratings alone, ordered by (user_id, movie_id); those of so many stars or more."""
        with self.reading(dataset, as_of) as tables:
            return tables.ratings(at_least)

    def read_pairs(
        self, dataset: str, as_of: datetime | None = None, at_least: float = 0
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Users and movies of the ratings of so many stars or more, in whatever order.

        Returns:
            external ids, both int64 of shape ``(n,)``.
        """
        with self.reading(dataset, as_of) as tables:
            return tables.pairs(at_least)

    def read_movies(self, dataset: str, as_of: datetime | None = None) -> MovieTable:
        """The catalogue alone, ordered by movie_id."""
        with self.reading(dataset, as_of) as tables:
            return tables.movies()

    @contextmanager
    def naming_lock_holders(self, dataset: str) -> Iterator[None]:
        """Adds to a wait that was too long who holds the dataset's tables.

        Raises:
            DatabaseUnavailable: a lock was not had within ``LOCK_WAIT``.
        """
        try:
            yield
        except DatabaseUnavailable as error:
            if not _is_lock_timeout(error.__cause__):
                raise
            holders = ", ".join(row[0] for row in self.fetch(LOCK_HOLDERS, (dataset,)))
            raise DatabaseUnavailable(
                f"the tables of dataset {dataset} stayed in use for {LOCK_WAIT}, by"
                f" {holders or 'a transaction that has ended since'}: end it or try again"
            ) from error

    def lineage(self, dataset: str, as_of: datetime | None = None) -> tuple[FileAccount, ...]:
        """The files behind the movies and ratings that the same ``as_of`` reads, oldest first."""
        with self.reading(dataset, as_of) as tables:
            return tables.files()

    def fetch(
        self, query: str | sql.Composable, values: tuple[Any, ...] = ()
    ) -> list[tuple[Any, ...]]:
        """All rows of a query, in a transaction of its own."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall()

    @contextmanager
    def reading(
        self, dataset: str, as_of: datetime | None, rated_until: datetime | None = None
    ) -> Iterator["TableReader"]:
        """The tables as they are at one moment; whoever would exchange them waits for the reader.

        With ``as_of`` it waits for a load that has stamped its moment and is about to commit, and
        refuses a moment that is still to come: what is read is all there will ever be. Of a moment
        before anything was loaded, the first load's ratings up to it are read: nobody can say when
        they would have been loaded.

        Args:
            dataset: name of the dataset.
            as_of: what was rated and loaded up to this moment; None: whenever loaded.
            rated_until: what was rated up to this moment; None: whenever rated.
        """
        with self.snapshot(dataset, as_of, HOLD_TABLES) as cursor:
            yield TableReader(cursor, sql.Identifier(dataset), as_of, rated_until)

    @contextmanager
    def snapshot(self, dataset: str, as_of: datetime | None, hold: str) -> Iterator[Cursor]:
        """A cursor that sees the tables as they are at one moment, once what was loaded until ``as_of`` shows.

        Args:
            dataset: name of the dataset.
            as_of: a moment with a time zone; None: now.
            hold: statement that keeps the tables from being exchanged, with ``{schema}`` in it.

        Raises:
            SettingsError: ``as_of`` lies in the future, or has no time zone.
        """
        schema = sql.Identifier(validated(dataset))
        if as_of is not None and as_of.tzinfo is None:
            raise SettingsError(f"as_of needs a time zone, such as {as_of.isoformat()}+00:00")
        with self.connect() as connection, connection.cursor() as cursor:
            if as_of is not None:
                _await_commits(cursor, dataset, as_of)
            connection.commit()
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            cursor.execute(sql.SQL(hold).format(schema=schema))
            yield cursor


class TableReader:
    """The tables of one dataset as they are, or as they were, for one transaction.

    Args:
        cursor: in a transaction that keeps its snapshot.
        schema: the dataset's, quoted.
        as_of: a moment with a time zone; None: now.
        rated_until: one up to which ratings count; None: as_of.
    """

    def __init__(
        self,
        cursor: Cursor,
        schema: sql.Identifier,
        as_of: datetime | None,
        rated_until: datetime | None = None,
    ) -> None:
        self._cursor, self._schema = cursor, schema
        rated_by = min(filter(None, (as_of, rated_until)), default=None)
        ratings, movies = RATINGS_AS_OF, MOVIES_AS_OF
        if as_of is None:
            ratings, movies = RATINGS_UNTIL if rated_by else RATINGS_NOW, MOVIES_NOW
        names = {
            "schema": schema,
            "rated_by": sql.Literal(rated_by),
            "loaded_by": sql.Literal(as_of and self._loaded_by(as_of)),
        }
        self._ratings = sql.SQL(ratings).format(**names)
        self._movies = sql.SQL(movies).format(**names)

    def _loaded_by(self, as_of: datetime) -> datetime:
        """``as_of``, or the moment of the first load where that came later."""
        [(beginning,)] = self._select(sql.SQL(BEGINNING).format(schema=self._schema))
        return max(as_of, beginning or as_of)

    def newest(self) -> int:
        """Unix seconds of the newest rating; 0 without ratings."""
        query = (
            "SELECT coalesce(extract(epoch FROM max(rated_at)), 0)::bigint FROM ({rows}) AS rows"
        )
        return int(self._select(sql.SQL(query).format(rows=self._ratings))[0][0])

    def ratings(self, at_least: float = 0) -> RatingTable:
        """The ratings of so many stars or more, ordered by (user_id, movie_id)."""
        query = self._copy("user_id, movie_id, rating::text, rated_at", at_least)
        columns = copy_arrays(self._cursor, query, RATING_RECORD, RATING_COLUMNS)
        return RatingTable(**columns).ordered()

    def pairs(self, at_least: float = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Users and movies of the ratings of so many stars or more, in whatever order.

        The server gathers them into two arrays in its parallel workers: neither it nor the driver
        sends a pair alone. Its longest message, 1 GB, holds 44 million.
        """
        columns = "array_agg(user_id), array_agg(movie_id)"
        users, movies = copy_bigint_arrays(
            self._cursor, self._copy(columns, at_least, "HAVING count(*) > 0"), columns=2
        )
        return users, movies

    def stream_ratings(self, take: Callable[[RatingTable], object]) -> None:
        """Hands on all ratings, block by block, ordered by (user_id, movie_id).

        The order is the primary key's, so that the server reads along its index where the table
        lies in that order, and sorts on its own disk where it does not.

        Args:
            take: gets at least one block, perhaps an empty one; what it raises ends the reading.
        """
        query = sql.SQL(
            "COPY (SELECT user_id, movie_id, rating::text, rated_at FROM ({rows}) AS rows"
            " ORDER BY user_id, movie_id) TO STDOUT (FORMAT binary)"
        ).format(rows=self._ratings)

        def hand_on(records: Records) -> None:
            take(RatingTable(**{name: make(records) for name, make in RATING_COLUMNS.items()}))

        copy_blocks(self._cursor, query, RATING_RECORD, hand_on)

    def movies(self) -> MovieTable:
        """The catalogue, ordered by movie_id."""
        query = sql.SQL("SELECT id, title, genres FROM ({rows}) AS rows ORDER BY id")
        found = self._select(query.format(rows=self._movies))
        return MovieTable(
            movie_id=np.array([row[0] for row in found], dtype=np.int64),
            title=tuple(row[1] for row in found),
            genres=tuple(tuple(row[2]) for row in found),
        )

    def files(self) -> tuple[FileAccount, ...]:
        """The files that a rating or a movie came from, oldest first."""
        query = sql.SQL(
            "SELECT role, name, sha256, rows_read, rows_loaded, rows_rejected, rows_duplicate"
            " FROM {schema}.ingested_files WHERE id IN"
            " (SELECT file_id FROM ({ratings}) AS r GROUP BY file_id"
            " UNION SELECT file_id FROM ({movies}) AS m)"
            " ORDER BY id"
        ).format(schema=self._schema, ratings=self._ratings, movies=self._movies)
        return tuple(FileAccount(*row) for row in self._select(query))

    def _copy(self, columns: str, at_least: float, having: str = "") -> sql.Composed:
        """The statement for some columns of the ratings, after telling the server how to go about it."""
        self._cursor.execute("SET LOCAL synchronize_seqscans = off")
        if at_least:
            self._cursor.execute("SET LOCAL parallel_tuple_cost = 0")
        return sql.SQL(
            "COPY (SELECT " + columns + " FROM ({rows}) AS rows"
            " WHERE rating >= {at_least} " + having + ") TO STDOUT (FORMAT binary)"
        ).format(rows=self._ratings, at_least=sql.Literal(at_least))

    def _select(self, query: sql.Composable) -> list[tuple[Any, ...]]:
        self._cursor.execute(query)
        return self._cursor.fetchall()


def _await_commits(cursor: Cursor, dataset: str, as_of: datetime) -> None:
    """Waits until no load that may be stamped before ``as_of`` is still to commit."""
    cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", (lock_key(f"commit:{dataset}"),))
    cursor.execute("SELECT %s > clock_timestamp()", (as_of,))
    if cursor.fetchone() == (True,):
        raise SettingsError(
            f"as_of {as_of.isoformat()} lies in the future: more may be loaded until then"
        )


def lock_key(name: str) -> int:
    """The 64-bit key of a named advisory lock, the same in every process."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def validated(dataset: str) -> str:
    """The dataset's name, once it is known to be a plain one.

    Raises:
        SettingsError: the name is not ``[a-z][a-z0-9_]{0,62}``, or Postgres keeps it for itself.
    """
    if dataset.startswith("pg_") or dataset == "information_schema":
        raise SettingsError(f"{dataset} is a name that Postgres keeps for itself: choose another")
    try:
        return TypeAdapter(DatasetName).validate_python(dataset)
    except ValidationError:
        raise SettingsError(
            f"{dataset!r} is not a dataset's name: a lower-case letter first, then up to 62"
            " lower-case letters, digits or _"
        ) from None


@contextmanager
def _translated() -> Iterator[None]:
    """The driver's errors as the project's own, its text in one line.

    Away or breaking off is ``DatabaseUnavailable``; a missing right is the caller's to mend.
    """
    try:
        yield
    except psycopg2.errors.InsufficientPrivilege as error:
        raise SettingsError(f"{_one_line(error)}: this account lacks a right") from error
    except sqlalchemy.exc.ProgrammingError as error:
        if not isinstance(error.orig, psycopg2.errors.InsufficientPrivilege):
            raise
        raise SettingsError(f"{_one_line(error.orig)}: this account lacks a right") from error
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise DatabaseUnavailable(_one_line(error)) from error
    except sqlalchemy.exc.OperationalError as error:
        raise DatabaseUnavailable(_one_line(error.orig or error)) from error


def _is_lock_timeout(error: BaseException | None) -> bool:
    return isinstance(getattr(error, "orig", error), psycopg2.errors.LockNotAvailable)


def _one_line(error: BaseException) -> str:
    return "Postgres: " + " ".join(str(error).split())
