"""The SQL of one load: stage rows, deduplicate them, merge them into the tables.

Everything happens in the caller's transaction, under the dataset's lock; ``rated_at`` decides
between two ratings of one pair, and whatever leaves a table goes to its history.
"""

from collections.abc import Callable, Iterable
from typing import IO, Any

import numpy as np
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from recsys_tasks.data.csv.movies import Movie
from recsys_tasks.data.csv.ratings import Ratings
from recsys_tasks.data.load.copy_records import (
    OutOfOrderError,
    StrictOrder,
    framed,
    joined,
    movie_line,
)
from recsys_tasks.data.load.difference import (
    FEW_ROWS,
    MAX_CHANGED_SHARE,
    Difference,
    TooDifferentError,
)
from recsys_tasks.data.load.rejected_rows import RejectedRow
from recsys_tasks.data.load.statements import Statements
from recsys_tasks.data.load.turns import run_alone

Reject = Callable[[RejectedRow], None]
"""Takes a row that is not loaded."""

SORT_MEMORY = "256MB"
"""What Postgres may use to sort rows for the primary key."""

BULK_ROWS = 100_000
"""From so many new rows on, their movies are checked by one join and not row by row."""

SAMPLE_ROWS = 2000
"""Rows of a full snapshot that are looked up to see how much of it the table holds already."""

STAGES = """
    CREATE TEMPORARY TABLE staged_movies (
        id bigint, title text, genres jsonb, line bigint
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE staged_ratings (
        user_id bigint, movie_id bigint, rating numeric(2,1), rated_at timestamptz, line bigint
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE gone_ratings (user_id bigint, movie_id bigint) ON COMMIT DROP;
"""

JUDGE_REPEATED_RATINGS = """
    CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
    WITH repeated AS (
        SELECT user_id, movie_id, max(rated_at) AS latest FROM staged_ratings
        GROUP BY user_id, movie_id HAVING count(*) > 1
    )
    SELECT s.ctid AS place,
        s.rated_at = r.latest AS is_latest,
        row_number() OVER (PARTITION BY user_id, movie_id ORDER BY s.rated_at DESC, s.line) AS rank,
        min(s.rating) FILTER (WHERE s.rated_at = r.latest) OVER (PARTITION BY user_id, movie_id)
        <> max(s.rating) FILTER (WHERE s.rated_at = r.latest) OVER (PARTITION BY user_id, movie_id)
        AS undecided
    FROM staged_ratings s JOIN repeated r USING (user_id, movie_id)
"""

JUDGE_REPEATED_MOVIES = """
    CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
    WITH repeated AS (SELECT id FROM staged_movies GROUP BY id HAVING count(*) > 1)
    SELECT s.ctid AS place, true AS is_latest, row_number() OVER same_id AS rank,
        (s.title, s.genres) <> (first_value(s.title) OVER same_id, first_value(s.genres) OVER same_id)
        AS undecided
    FROM staged_movies s JOIN repeated r USING (id)
    WINDOW same_id AS (PARTITION BY id ORDER BY s.line)
"""

FIND_UNDECIDED = """
    SELECT {columns} FROM {stage} s JOIN judged j ON s.ctid = j.place
    WHERE j.undecided AND j.is_latest ORDER BY s.line
"""

REMOVE_JUDGED = """
    DELETE FROM {stage} s USING judged j WHERE s.ctid = j.place AND (j.rank > 1 OR j.undecided)
"""

FIND_CHANGED_RATINGS = """
    CREATE TEMPORARY TABLE changed ON COMMIT DROP AS
    SELECT user_id, movie_id, s.rating, s.rated_at, r.ctid AS place, r.rated_at > s.rated_at AS outdated
    FROM staged_ratings s {join} JOIN ratings r USING (user_id, movie_id)
    WHERE r.rating IS NULL OR s.rating IS NULL OR (r.rating, r.rated_at) <> (s.rating, s.rated_at)
"""
"""What differs, by one join: without a place the pair is new, without a rating it is gone."""

KEEP_OLD_RATINGS = """
    INSERT INTO ratings_history
    SELECT r.user_id, r.movie_id, r.rating, r.rated_at, r.file_id, %(file)s
    FROM ratings r JOIN changed c ON r.ctid = c.place
"""

UPDATE_RATINGS = """
    UPDATE ratings r SET rating = c.rating, rated_at = c.rated_at, file_id = %(file)s
    FROM changed c WHERE r.ctid = c.place AND c.rating IS NOT NULL
"""

DELETE_GONE_RATINGS = """
    DELETE FROM ratings r USING changed c WHERE r.ctid = c.place AND c.rating IS NULL
"""

INSERT_NEW_RATINGS = """
    INSERT INTO ratings SELECT user_id, movie_id, rating, rated_at, %(file)s
    FROM changed WHERE place IS NULL
"""

ADD_GONE_RATINGS = """
    INSERT INTO changed
    SELECT user_id, movie_id, NULL, NULL, r.ctid, false
    FROM gone_ratings g JOIN ratings r USING (user_id, movie_id)
"""

COUNT_KNOWN = """
    SELECT count(*)
    FROM unnest(%(users)s, %(movies)s, %(half_stars)s, %(times)s) AS s (u, m, half_stars, time)
    JOIN ratings r ON r.user_id = s.u AND r.movie_id = s.m
        AND r.rating = s.half_stars / 2.0 AND r.rated_at = to_timestamp(s.time)
"""

MERGE_MOVIES = """
    INSERT INTO movies_history
    SELECT m.id, m.title, m.genres, m.file_id, %(file)s
    FROM movies m JOIN staged_movies s USING (id) WHERE (m.title, m.genres) <> (s.title, s.genres);
    UPDATE movies m SET title = s.title, genres = s.genres, file_id = %(file)s
    FROM staged_movies s WHERE m.id = s.id AND (m.title, m.genres) <> (s.title, s.genres);
    INSERT INTO movies SELECT s.id, s.title, s.genres, %(file)s
    FROM staged_movies s WHERE NOT EXISTS (SELECT FROM movies m WHERE m.id = s.id)
"""

FIND_GONE_MOVIES = """
    CREATE TEMPORARY TABLE gone ON COMMIT DROP AS
    SELECT m.* FROM movies m WHERE NOT EXISTS (SELECT FROM staged_movies s WHERE s.id = m.id)
"""

REMOVE_GONE_MOVIES = """
    INSERT INTO movies_history SELECT id, title, genres, file_id, %(file)s FROM gone;
    DELETE FROM movies m USING gone WHERE m.id = gone.id
"""


class TableLoad(Statements):
    """One load's work on the tables of one dataset.

    Args:
        connection: in a transaction, its search path on the dataset's schema.
        replace: the files are full snapshots.
    """

    def __init__(self, connection: Connection, replace: bool) -> None:
        super().__init__(connection)
        self._replace = replace
        self.run(STAGES)

    def holds_ratings(self) -> bool:
        """Whether the table has any row."""
        return bool(self.select("SELECT FROM ratings LIMIT 1"))

    def count(self, table: str) -> int:
        """How many rows a table holds."""
        return int(self.select(f"SELECT count(*) FROM {table}")[0][0])

    def fill_ratings(self, blocks: Iterable[Ratings], file_id: int) -> int | None:
        """Streams ratings into the empty table itself, its keys made afterwards.

        Returns:
            how many; None when they were not in strict order, so that they must be staged and
            settled first: then the table is empty as before.
        """
        self.run("SAVEPOINT fill")
        self._run_alone("SELECT ratings_begin_fill()")
        order = StrictOrder(file_id)
        try:
            filled = self.stream(
                "ratings FROM STDIN (FORMAT binary, FREEZE)", framed(order.fill(blocks))
            )
        except OutOfOrderError:
            self.run("ROLLBACK TO SAVEPOINT fill")
            return None
        self._end_fill()
        return filled

    def stage_ratings(self, blocks: Iterable[Ratings]) -> bool:
        """Streams ratings into the stage; whether they came in strict order of (user, movie)."""
        order = StrictOrder()
        self.stream("staged_ratings FROM STDIN (FORMAT binary)", framed(order.stage(blocks)))
        self.run("ANALYZE staged_ratings")
        return order.holds

    def stage_movies(self, movies: Iterable[Movie]) -> None:
        """Streams movies into the stage."""
        self.stream("staged_movies FROM STDIN", joined(map(movie_line, movies)))
        self.run("ANALYZE staged_movies")

    def deduplicate_ratings(self, reject: Reject) -> int:
        """Leaves one row a pair, the latest, and returns how many repeated others.

        Two rows of a pair that share the latest time and differ in the rating are undecidable:
        both are rejected, and the older ones with them count as repeated.
        """
        self.run(JUDGE_REPEATED_RATINGS)
        return self._remove_judged(
            "staged_ratings",
            "line, user_id, movie_id, rating, extract(epoch FROM rated_at)::bigint",
            "two ratings of one movie by one user at the same time, and they differ",
            reject,
        )

    def settle_movies(self, reject: Reject) -> int:
        """Leaves the first row of an id, and returns how many others say the same.

        Those that say something else are rejected.
        """
        self.run(JUDGE_REPEATED_MOVIES)
        reason = "an earlier row gives this id another title or other genres"
        return self._remove_judged("staged_movies", "line, id, title", reason, reject)

    def merge_movies(self, file_id: int) -> int:
        """Puts the staged movies into the table; how many of them it holds."""
        self.run(MERGE_MOVIES, file=file_id)
        return self.count("staged_movies")

    def holds_mostly(self, rows: Ratings) -> bool:
        """Whether the table holds at least half of a sample of these rows, unchanged.

        Of a full snapshot's beginning this says how to load it: only the difference is applied, or
        the whole old generation is retired. Both end in the same tables, as of any moment.
        """
        chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE_ROWS)).astype(int))
        columns = {
            "users": rows.user_id,
            "movies": rows.movie_id,
            "half_stars": rows.half_stars,
            "times": rows.rated_at,
        }
        sample = {name: column[chosen].tolist() for name, column in columns.items()}
        return 2 * int(self.select(COUNT_KNOWN, **sample)[0][0]) >= len(chosen)

    def retire_ratings(self, file_id: int) -> None:
        """Moves all ratings to the history: a file of another generation follows."""
        self._run_alone("SELECT ratings_retire(%(file)s)", file=file_id)

    def merge_ratings(self, file_id: int) -> tuple[int, int]:
        """Puts the staged ratings into the table: how many it holds, how many were outdated."""
        staged = self.count("staged_ratings")
        if not self.holds_ratings():
            self._fill_from_stage(file_id)
            return staged, 0
        self._find_changed("FULL" if self._replace else "LEFT")
        if self._replace and self._is_another_generation():
            self.retire_ratings(file_id)
            self._fill_from_stage(file_id)
            return staged, 0
        outdated = 0 if self._replace else self.run("DELETE FROM changed WHERE outdated")
        self._apply_changed(file_id)
        return staged - outdated, outdated

    def merge_difference(
        self, difference: Difference, blocks: Iterable[Ratings], gone: IO[bytes], file_id: int
    ) -> int | None:
        """Puts a full snapshot into the table, of which it holds most rows already.

        Args:
            difference: between the table and the snapshot; it writes to ``gone``.
            blocks: the snapshot's ratings.
            gone: the pairs that leave the table.
            file_id: the snapshot's file.

        Returns:
            how many the table holds; None when it must be loaded another way. Then nothing is
            staged, and the table is as before or, if too much differs, retired.
        """
        self.run("SAVEPOINT difference")
        records = StrictOrder().stage(difference.rows(blocks))
        try:
            staged = self.stream("staged_ratings FROM STDIN (FORMAT binary)", framed(records))
        except OutOfOrderError:
            self.run("ROLLBACK TO SAVEPOINT difference")
            return None
        except TooDifferentError:
            self.run("ROLLBACK TO SAVEPOINT difference")
            self.retire_ratings(file_id)
            return None
        gone.seek(0)
        self.copy("gone_ratings FROM STDIN", gone)
        self.run("ANALYZE staged_ratings")
        self._find_changed("LEFT")
        self.run(ADD_GONE_RATINGS)
        self._apply_changed(file_id)
        return difference.unchanged + staged

    def remove_gone_movies(self, file_id: int) -> list[int]:
        """Deletes movies that the staged catalogue lacks; instead names those that ratings refer to.

        Returns:
            ids of gone movies that still have ratings; nothing is deleted unless it is empty.
        """
        if not self.run(FIND_GONE_MOVIES):
            return []
        rated = self.select(
            "SELECT id FROM gone WHERE EXISTS (SELECT FROM ratings r WHERE r.movie_id = gone.id)"
            " ORDER BY id LIMIT 10"
        )
        if not rated:
            self._run_alone("SELECT ratings_unlink()")
            self.run(REMOVE_GONE_MOVIES, file=file_id)
            self._run_alone("SELECT ratings_link()")
        return [row[0] for row in rated]

    def known_movies(self, staged_only: bool) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Ids that a rating may refer to, ascending: of the new catalogue, or of the whole table."""
        table = "staged_movies" if staged_only else "movies"
        return np.array(
            [row[0] for row in self.select(f"SELECT id FROM {table} ORDER BY id")], np.int64
        )

    def _run_alone(self, query: str, **values: Any) -> None:
        """Executes what needs a table to itself; readers do not queue behind its wait."""
        run_alone(self._connection, query, values or None)

    def _find_changed(self, join: str) -> None:
        self.run("LOCK TABLE ratings IN SHARE ROW EXCLUSIVE MODE")
        self.run(sql.SQL(FIND_CHANGED_RATINGS).format(join=sql.SQL(join)))

    def _is_another_generation(self) -> bool:
        """Whether so many rows are changed or gone that exchanging the table costs less."""
        leaving = self.select("SELECT count(*) FROM changed WHERE place IS NOT NULL")[0][0]
        return int(leaving) > max(MAX_CHANGED_SHARE * self.count("ratings"), FEW_ROWS)

    def _apply_changed(self, file_id: int) -> None:
        """History, updates and new rows; the movies of many rows are checked by one join."""
        self.run("ANALYZE changed")
        bulk = self.count("changed") >= BULK_ROWS
        if bulk:
            self._run_alone("SELECT ratings_unlink()")
        self.run(KEEP_OLD_RATINGS, file=file_id)
        self.run(UPDATE_RATINGS, file=file_id)
        self.run(DELETE_GONE_RATINGS)
        self.run(INSERT_NEW_RATINGS, file=file_id)
        if bulk:
            self._run_alone("SELECT ratings_link()")

    def _fill_from_stage(self, file_id: int) -> None:
        self._run_alone("SELECT ratings_begin_fill()")
        self.run(
            "INSERT INTO ratings SELECT user_id, movie_id, rating, rated_at, %(file)s"
            " FROM staged_ratings",
            file=file_id,
        )
        self._end_fill()

    def _end_fill(self) -> None:
        self.run(f"SET LOCAL maintenance_work_mem = '{SORT_MEMORY}'")
        self.run("SELECT ratings_end_fill()")

    def _remove_judged(self, stage: str, columns: str, reason: str, reject: Reject) -> int:
        """Hands on the undecidable rows, a few at a time, and returns how many others it removed."""
        names = {"stage": sql.Identifier(stage), "columns": sql.SQL(columns)}
        undecided = 0
        with self._connection.cursor("undecided") as cursor:
            cursor.execute(sql.SQL(FIND_UNDECIDED).format(**names))
            for undecided, row in enumerate(cursor, 1):  # noqa: B007 - the count is returned
                reject(RejectedRow(row[0], reason, ",".join(map(str, row[1:]))))
        removed = self.run(sql.SQL(REMOVE_JUDGED).format(**names))
        self.run("DROP TABLE judged")
        return removed - undecided
