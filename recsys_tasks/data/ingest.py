"""One load: two files into the tables, together or not at all, every row accounted for."""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from recsys_tasks.data.addresses import FindStore, find_store
from recsys_tasks.data.csv_blocks import Block, read_blocks
from recsys_tasks.data.csv_header import Header, read_header
from recsys_tasks.data.load import TableLoad
from recsys_tasks.data.movies_csv import Movie, MoviesReader
from recsys_tasks.data.postgres import Database, lock_key, validated
from recsys_tasks.data.ratings_csv import UNKNOWN_MOVIE, Ratings, RatingsReader
from recsys_tasks.data.rejections import SHOWN, Aside, AsideRows
from recsys_tasks.data.source_files import SourceFile, fingerprint, source_files
from recsys_tasks.data.tables import FileAccount, LoadAccount, Rejection
from recsys_tasks.errors import InputRejected, SettingsError
from recsys_tasks.settings import SourceSettings

log = logging.getLogger(__name__)

ELSEWHERE = {"movies", "ratings", "archive", "max_rejected", "tolerated_rejected", "replace"}
"""Source settings that do not change how a row is read."""


def ingest(
    database: Database,
    settings: SourceSettings,
    dataset: str,
    run: str,
    store: FindStore = find_store,
) -> LoadAccount:
    """Loads the files that the settings name into the dataset's tables, in one transaction.

    Args:
        database: migrated for this dataset.
        settings: the files and how to read them; without any file nothing happens.
        dataset: name of the dataset.
        run: who loads, for the record: a run's id or ``cli``.
        store: gives the S3 access for ``s3://`` addresses; by default the environment's.

    Raises:
        InputRejected: a file cannot be trusted; the tables are as before.
        SourceUnavailable: a file's server is away; the tables are as before.
        DatabaseUnavailable: Postgres is away or broke off; the tables are as before.
    """
    validated(dataset)
    with TemporaryDirectory(prefix="recsys-ingest-") as folder:
        files = [(file, fingerprint(file)) for file in source_files(settings, Path(folder), store)]
        if not files:
            log.info("no files are named: the tables stay as they are")
            return LoadAccount((), ())
        with database.connect() as connection:
            load = Load(connection, settings, dataset, run)
            for file, sha256 in files:
                load.take(file, sha256)
            return load.finish()


@dataclass
class Counts:
    """Rows of one file so far."""

    loaded: int = 0
    rejected: int = 0
    duplicate: int = 0
    unknown: int = 0

    @property
    def read(self) -> int:
        """All of them."""
        return self.loaded + self.rejected + self.duplicate


class Load:
    """One load in its transaction, file by file.

    Args:
        connection: in a fresh transaction, which this load fills and its caller commits.
        settings: how to read the files.
        dataset: a validated name, its schema migrated.
        run: who loads.
    """

    def __init__(
        self, connection: Connection, settings: SourceSettings, dataset: str, run: str
    ) -> None:
        self._settings, self._dataset, self._run = settings, dataset, run
        self._connection = connection
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(f"load:{dataset}"),))
            cursor.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(dataset)))
            cursor.execute("SELECT to_regclass('ingested_files')")
            if cursor.fetchone() == (None,):
                raise SettingsError(
                    f"dataset {dataset} has no tables yet: run `recsys migrate --dataset {dataset}`"
                )
        self._tables = TableLoad(connection, settings.replace)
        self._file_ids: list[int] = []
        self._accounts: list[FileAccount] = []
        self._rejections: list[Rejection] = []
        self._notes: list[Rejection] = []
        self._movies: tuple[SourceFile, int] | None = None

    def take(self, file: SourceFile, sha256: str) -> None:
        """Loads one file, or finds that the tables hold it already."""
        known = self._already_loaded(file, sha256)
        if known:
            log.info("%s %s: already loaded, nothing to do", file.role, file.name)
            self._accounts.append(known)
            return
        file_id = self._register(file, sha256)
        with AsideRows(file.name, sha256) as aside:
            fill = self._take_movies if file.role == "movies" else self._take_ratings
            counts = fill(file, file_id, aside)
            counts.rejected = aside.count
            self._refuse_if_bad(file, counts, aside)
            self._tables.run("DELETE FROM rejected_rows WHERE file_sha256 = %(sha)s", sha=sha256)
            self._tables.copy("rejected_rows FROM STDIN", aside.copy_lines())
            self._rejections += aside.first
        self._account(file, sha256, file_id, counts)

    def finish(self) -> LoadAccount:
        """Removes what a full snapshot lacks, stamps the moment, and returns the account."""
        if self._movies and self._settings.replace:
            file, file_id = self._movies
            orphaned = self._tables.remove_gone_movies(file_id)
            if orphaned:
                raise InputRejected(
                    file.name,
                    f"movie {orphaned[0]} is missing here, and ratings in the tables refer to it",
                    "a catalogue of all rated movies",
                    "Replace movies and ratings together",
                )
        self._stamp()
        return LoadAccount(tuple(self._accounts), tuple(self._rejections), tuple(self._notes))

    def _take_movies(self, file: SourceFile, file_id: int, aside: AsideRows) -> Counts:
        counts = Counts()
        with file.open() as stream:
            header, blocks = self._open_csv(file, stream)
            reader = MoviesReader(header, self._settings)
            self._tables.stage_movies(self._good_movies(file, reader, blocks, aside))
        undecidable, counts.duplicate = self._tables.settle_movies()
        for row in undecidable:
            aside.add(row)
        counts.loaded = self._tables.merge_movies(file_id)
        self._movies = (file, file_id)
        return counts

    def _take_ratings(self, file: SourceFile, file_id: int, aside: AsideRows) -> Counts:
        """Straight into the empty table when the rows are in order; else by way of the stage."""
        known = self._tables.known_movies(staged_only=self._settings.replace and bool(self._movies))
        read = partial(self._good_ratings, file, known, aside)
        if not self._tables.holds_ratings():
            counts = Counts()
            filled = self._tables.fill_ratings(read(counts), file_id)
            if filled is not None:
                counts.loaded = filled
                return counts
            aside.clear()
        counts = Counts()
        if not self._tables.stage_ratings(read(counts)):
            undecidable, counts.duplicate = self._tables.settle_ratings()
            for row in undecidable:
                aside.add(row)
        counts.loaded, outdated = self._tables.merge_ratings(file_id)
        counts.duplicate += outdated
        return counts

    def _open_csv(self, file: SourceFile, stream: BinaryIO) -> tuple[Header, Iterator[Block]]:
        """The header, and the blocks of rows after it."""
        blocks = read_blocks(stream, file.name, self._settings.quote)
        first = next(blocks)
        header = read_header(first, file.name, file.role, self._settings)
        return header, chain([first.after(header.records)], blocks)

    def _good_movies(
        self, file: SourceFile, reader: MoviesReader, blocks: Iterator[Block], aside: AsideRows
    ) -> Iterator[Movie]:
        for row in chain.from_iterable(map(reader.read, blocks)):
            if isinstance(row, Aside):
                aside.add(row)
                continue
            self._note(file, row)
            yield row

    def _good_ratings(
        self, file: SourceFile, known: NDArray[np.int64], aside: AsideRows, counts: Counts
    ) -> Iterator[Ratings]:
        latest = int(datetime.now(UTC).timestamp())
        with file.open() as stream:
            header, blocks = self._open_csv(file, stream)
            reader = RatingsReader(header, self._settings, known, latest)
            for rows, odd in map(reader.read, blocks):
                for row in odd:
                    counts.unknown += row.reason.startswith(UNKNOWN_MOVIE)
                    aside.add(row)
                yield rows

    def _note(self, file: SourceFile, movie: Movie) -> None:
        room = SHOWN - len(self._notes)
        self._notes += [Rejection(file.name, movie.line, note) for note in movie.notes[:room]]

    def _already_loaded(self, file: SourceFile, sha256: str) -> FileAccount | None:
        """The account of the earlier load when the tables still hold what this file says.

        A file with ratings of unknown movies is read again once another catalogue was loaded.
        """
        live = self._tables.select(
            "SELECT sha256 = %(sha)s AND read_as = %(read_as)s"
            " AND (rows_unknown = 0 OR NOT EXISTS (SELECT FROM ingested_files later"
            "      WHERE later.role = 'movies' AND later.id > f.id)),"
            " role, name, sha256, rows_read, rows_loaded, rows_rejected, rows_duplicate"
            " FROM ingested_files f WHERE role = %(role)s AND ended_by IS NULL ORDER BY id",
            sha=sha256,
            read_as=self._read_as(),
            role=file.role,
        )
        same = [row for row in live if row[0]]
        if not same or (self._settings.replace and len(live) > 1):
            return None
        role, _, sha256, read, loaded, rejected, duplicate = same[-1][1:]
        return FileAccount(role, file.name, sha256, read, loaded, rejected, duplicate, True)

    def _read_as(self) -> str:
        """What tells two ways of reading the same bytes apart."""
        reading = self._settings.model_dump(exclude=ELSEWHERE)
        return hashlib.sha256(json.dumps(reading, sort_keys=True).encode()).hexdigest()[:16]

    def _register(self, file: SourceFile, sha256: str) -> int:
        row = self._tables.select(
            "INSERT INTO ingested_files (sha256, role, name, rows_read, rows_loaded, rows_rejected,"
            " rows_duplicate, loaded_at, run, read_as)"
            " VALUES (%(sha)s, %(role)s, %(name)s, 0, 0, 0, 0, now(), %(run)s, %(read_as)s)"
            " RETURNING id",
            sha=sha256,
            role=file.role,
            name=file.name,
            run=self._run,
            read_as=self._read_as(),
        )
        file_id = int(row[0][0])
        self._file_ids.append(file_id)
        if self._settings.replace:
            self._tables.run(
                "UPDATE ingested_files SET ended_by = %(id)s"
                " WHERE role = %(role)s AND ended_by IS NULL AND id <> %(id)s",
                id=file_id,
                role=file.role,
            )
        return file_id

    def _refuse_if_bad(self, file: SourceFile, counts: Counts, aside: AsideRows) -> None:
        """Refuses a file with no good row, or with more bad ones than the settings allow."""
        settings, first = self._settings, aside.first[0] if aside.first else None
        if counts.read == 0:
            raise InputRejected(file.name, "no data rows after the header", "rows")
        allowed = max(settings.tolerated_rejected, settings.max_rejected * counts.read)
        if first and (counts.rejected > allowed or counts.rejected == counts.read):
            raise InputRejected(
                file.name,
                f"{counts.rejected} of {counts.read} rows would be set aside, this one first:"
                f" {first.reason}",
                f"at most {settings.max_rejected:.0%} and at least one good row",
                "Correct the file, or raise source.max_rejected",
                line=first.line,
            )

    def _account(self, file: SourceFile, sha256: str, file_id: int, counts: Counts) -> None:
        self._tables.run(
            "UPDATE ingested_files SET rows_read = %(read)s, rows_loaded = %(loaded)s,"
            " rows_rejected = %(rejected)s, rows_duplicate = %(duplicate)s,"
            " rows_unknown = %(unknown)s WHERE id = %(id)s",
            read=counts.read,
            loaded=counts.loaded,
            rejected=counts.rejected,
            duplicate=counts.duplicate,
            unknown=counts.unknown,
            id=file_id,
        )
        account = FileAccount(
            file.role,
            file.name,
            sha256,
            counts.read,
            counts.loaded,
            counts.rejected,
            counts.duplicate,
        )
        self._accounts.append(account)
        log.info(
            "%s %s: %d rows read = %d loaded + %d set aside + %d duplicate",
            *(file.role, file.name, account.read, account.loaded, account.rejected),
            account.duplicate,
        )

    def _stamp(self) -> None:
        """Gives the load's files the moment at which they appear, just before the commit.

        Readers of a past moment wait for the lock, so that none misses a load stamped before it.
        """
        key = lock_key(f"commit:{self._dataset}")
        self._tables.select("SELECT pg_advisory_xact_lock(%(key)s)", key=key)
        self._tables.run(
            "UPDATE ingested_files SET loaded_at = clock_timestamp() WHERE id = ANY(%(ids)s)",
            ids=self._file_ids,
        )
