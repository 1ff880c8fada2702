"""One load: two files into the tables, together or not at all, every row accounted for."""

import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryDirectory
from typing import IO, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.blocks import Block, read_blocks
from recsys_tasks.data.csv.header import Header, read_header
from recsys_tasks.data.csv.movies import Movie, MoviesReader
from recsys_tasks.data.csv.ratings import UNKNOWN_MOVIE, Ratings, RatingsReader
from recsys_tasks.data.db import postgres
from recsys_tasks.data.db.postgres import Database, lock_key, validated
from recsys_tasks.data.load.difference import LARGEST_ID, Difference
from recsys_tasks.data.load.ingested_files import IngestedFiles
from recsys_tasks.data.load.merge import TableLoad
from recsys_tasks.data.load.rejected_rows import SHOWN, AsideRows, RejectedRow
from recsys_tasks.data.progress import Progress
from recsys_tasks.data.sources.addresses import FindStore, find_store
from recsys_tasks.data.sources.source_files import CheckedFile, check_file, source_files
from recsys_tasks.data.sources.source_policy import SourcePolicy
from recsys_tasks.data.tables import FileAccount, LoadAccount, Rejection
from recsys_tasks.errors import InputRejected, PermanentError, SettingsError
from recsys_tasks.printable import printable

log = logging.getLogger(__name__)


def ingest(
    database: Database,
    settings: SourceSettings,
    dataset: str,
    run: str,
    store: FindStore = find_store,
    policy: SourcePolicy | None = None,
) -> LoadAccount:
    """Loads the files that the settings name into the dataset's tables, in one transaction.

    Args:
        database: migrated for this dataset.
        settings: the files and how to read them; without any file nothing happens.
        dataset: name of the dataset.
        run: who loads, for the record: a run's id or ``cli``.
        store: gives the S3 access for ``s3://`` addresses; by default the environment's.
        policy: where the files may come from; None: from anywhere.

    Raises:
        InputRejected: a file cannot be trusted; the tables are as before.
        SourceUnavailable: a file's server is away; the tables are as before.
        DatabaseUnavailable: Postgres is away or broke off; the tables are as before.
    """
    validated(dataset)
    with TemporaryDirectory(prefix="recsys-ingest-") as folder:
        files = [check_file(file) for file in source_files(settings, Path(folder), store, policy)]
        if not files:
            log.info("no files are named: the tables stay as they are")
            return LoadAccount((), ())
        for file in files:
            log.info("%s %s: %s bytes, sha256 %s", *_announced(file))
        with database.naming_lock_holders(dataset), database.connect() as connection:
            load = Load(database, connection, settings, dataset, run)
            for file in files:
                load.take(file)
            account = load.finish()
    log.info("dataset %s: committed", dataset)
    return account


def _announced(file: CheckedFile) -> tuple[str, str, str, str]:
    return *_named(file), f"{file.size:,}", file.sha256


def _named(file: CheckedFile) -> tuple[str, str]:
    """A file's role and its name as a log may show it."""
    return file.role, printable(file.name)


@dataclass
class Counts:
    """Rows of one file so far; ``read`` is counted on its own, so that the account can be checked."""

    read: int = 0
    loaded: int = 0
    duplicate: int = 0
    unknown: int = 0


class Load:
    """One load in its transaction, file by file.

    Args:
        database: for a second connection, which sees the tables as they were.
        connection: in a fresh transaction, which this load fills and its caller commits.
        settings: how to read the files.
        dataset: a validated name, its schema migrated.
        run: who loads.
    """

    def __init__(
        self,
        database: Database,
        connection: Connection,
        settings: SourceSettings,
        dataset: str,
        run: str,
    ) -> None:
        self._database, self._settings, self._dataset = database, settings, dataset
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(f"load:{dataset}"),))
            cursor.execute("SET LOCAL lock_timeout = %s", (postgres.LOCK_WAIT,))
            cursor.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(dataset)))
            cursor.execute("SELECT to_regclass('ingested_files')")
            if cursor.fetchone() == (None,):
                raise SettingsError(
                    f"dataset {dataset} has no tables yet: run `recsys migrate --dataset {dataset}`"
                )
        self._tables = TableLoad(connection, settings.replace)
        self._ledger = IngestedFiles(self._tables, settings, run)
        self._accounts: list[FileAccount] = []
        self._rejections: list[Rejection] = []
        self._notes: list[Rejection] = []
        self._movies: tuple[CheckedFile, int] | None = None

    def take(self, file: CheckedFile) -> None:
        """Loads one file, or finds that the tables hold it already.

        A new catalogue that replaces another is followed by its ratings in any case: some of them
        may refer to a movie that it lacks.
        """
        known = None if self._is_new_catalogue() else self._ledger.find(file)
        if known:
            log.info("%s %s: already loaded, nothing to do", *_named(file))
            self._accounts.append(known)
            return
        file_id = self._ledger.open(file)
        with AsideRows(file.name, file.sha256) as aside:
            fill = self._take_movies if file.role == "movies" else self._take_ratings
            counts = fill(file, file_id, aside)
            file.refuse_if_changed()
            account = self._account(file, counts, aside)
            self._tables.run(
                "DELETE FROM rejected_rows WHERE file_sha256 = %(sha)s", sha=file.sha256
            )
            self._tables.copy("rejected_rows FROM STDIN", aside.copy_lines())
            self._rejections += aside.first
        self._ledger.close(file_id, account, counts.unknown)
        self._accounts.append(account)

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
        self._ledger.stamp(self._dataset)
        return LoadAccount(tuple(self._accounts), tuple(self._rejections), tuple(self._notes))

    def _take_movies(self, file: CheckedFile, file_id: int, aside: AsideRows) -> Counts:
        counts = Counts()
        self._tables.stage_movies(self._good_movies(file, aside, counts))
        counts.duplicate = self._tables.settle_movies(aside.add)
        counts.loaded = self._tables.merge_movies(file_id)
        self._movies = (file, file_id)
        return counts

    def _take_ratings(self, file: CheckedFile, file_id: int, aside: AsideRows) -> Counts:
        """By the quickest way that the file's order and the table allow; all end in the same."""
        known = self._tables.known_movies(staged_only=self._is_new_catalogue())
        read = partial(self._good_ratings, file, known, aside)
        if self._settings.replace:
            self._retire_another_generation(read(Counts()), file_id)
        staged = partial(self._stage_and_merge, aside)
        held = self._tables.holds_ratings()
        for way in (self._apply_difference, self._fill, staged) if held else (self._fill, staged):
            aside.clear()
            counts = Counts()
            if way(read(counts), file_id, counts):
                break
        return counts

    def _fill(self, rows: Iterator[Ratings], file_id: int, counts: Counts) -> bool:
        """Straight into the empty table, if the rows are in order."""
        if self._tables.holds_ratings():
            return False
        filled = self._tables.fill_ratings(rows, file_id)
        counts.loaded = filled or 0
        return filled is not None

    def _apply_difference(self, rows: Iterator[Ratings], file_id: int, counts: Counts) -> bool:
        """Only what a full snapshot changes, if its rows are in order and change little."""
        small_ids = self._settings.largest_id <= LARGEST_ID
        if not (self._settings.replace and small_ids and self._tables.holds_ratings()):
            return False
        with (
            self._database.connect() as other,
            other.cursor() as cursor,
            SpooledTemporaryFile(max_size=1 << 20) as gone,
        ):
            other.autocommit = True  # keeps no lock that the merge would wait for
            spool = cast(IO[bytes], gone)
            held = self._tables.count("ratings")
            difference = Difference(cursor, self._dataset, spool, held)
            merged = self._tables.merge_difference(difference, rows, spool, file_id)
        counts.loaded = merged or 0
        return merged is not None

    def _stage_and_merge(
        self, aside: AsideRows, rows: Iterator[Ratings], file_id: int, counts: Counts
    ) -> bool:
        """By way of the stage, where rows of one pair are settled: any file can go this way."""
        if not self._tables.stage_ratings(rows):
            counts.duplicate = self._tables.deduplicate_ratings(aside.add)
        counts.loaded, outdated = self._tables.merge_ratings(file_id)
        counts.duplicate += outdated
        return True

    def _retire_another_generation(
        self, rows: Generator[Ratings, None, None], file_id: int
    ) -> None:
        """Empties the table for a snapshot whose beginning it does not know."""
        beginning = next((block for block in rows if len(block)), None)
        rows.close()
        if beginning and self._tables.holds_ratings() and not self._tables.holds_mostly(beginning):
            self._tables.retire_ratings(file_id)

    def _open_csv(self, file: CheckedFile, stream: BinaryIO) -> tuple[Header, Iterator[Block]]:
        """The header, and the blocks of rows after it."""
        blocks = read_blocks(stream, file.name, self._settings.quote)
        first = next(blocks, None)
        if first is None:
            raise InputRejected(file.name, "the file is empty", "a header and rows")
        header = read_header(first, file.name, file.role, self._settings)
        return header, chain([first.after(header.records)], blocks)

    def _good_movies(self, file: CheckedFile, aside: AsideRows, counts: Counts) -> Iterator[Movie]:
        with file.open() as stream:
            header, blocks = self._open_csv(file, stream)
            reader = MoviesReader(header, self._settings)
            for row in chain.from_iterable(map(reader.read, blocks)):
                counts.read += 1
                if isinstance(row, RejectedRow):
                    aside.add(row)
                    continue
                self._note(file, row)
                yield row

    def _good_ratings(
        self, file: CheckedFile, known: NDArray[np.int64], aside: AsideRows, counts: Counts
    ) -> Generator[Ratings, None, None]:
        latest = int(datetime.now(UTC).timestamp())
        progress = Progress(file.name, "rows", file.size)
        with file.open() as stream:
            header, blocks = self._open_csv(file, stream)
            reader = RatingsReader(header, self._settings, known, latest)
            for block in blocks:
                rows, odd, blank = reader.read(block)
                counts.read += len(block) - blank
                for row in odd:
                    counts.unknown += row.reason.startswith(UNKNOWN_MOVIE)
                    aside.add(row)
                yield rows
                progress.add(len(block) - blank, stream.tell())

    def _is_new_catalogue(self) -> bool:
        """Whether this load replaced the movies before it came to the ratings."""
        return self._settings.replace and self._movies is not None

    def _note(self, file: CheckedFile, movie: Movie) -> None:
        room = SHOWN - len(self._notes)
        self._notes += [Rejection(file.name, movie.line, note) for note in movie.notes[:room]]

    def _account(self, file: CheckedFile, counts: Counts, aside: AsideRows) -> FileAccount:
        """The file's account.

        Raises:
            InputRejected: no good row, or more bad ones than the settings allow.
            PermanentError: rows were lost on the way; a fault of this program.
        """
        self._refuse_if_bad(file, counts, aside)
        account = FileAccount(
            *(file.role, file.name, file.sha256),
            *(counts.read, counts.loaded, aside.count, counts.duplicate),
        )
        if account.read != account.loaded + account.rejected + account.duplicate:
            raise PermanentError(
                f"{file.name}: the account does not add up, nothing is kept: {account}"
            )
        log.info(
            "%s %s: %s rows read = %s loaded + %s set aside + %s duplicate",
            *_named(file),
            *(
                f"{n:,}"
                for n in (account.read, account.loaded, account.rejected, account.duplicate)
            ),
        )
        return account

    def _refuse_if_bad(self, file: CheckedFile, counts: Counts, aside: AsideRows) -> None:
        settings, first = self._settings, aside.first[0] if aside.first else None
        if counts.read == 0:
            raise InputRejected(file.name, "no data rows after the header", "rows")
        allowed = max(settings.tolerated_rejected, settings.max_rejected * counts.read)
        if first and (aside.count > allowed or aside.count == counts.read):
            raise InputRejected(
                file.name,
                f"{aside.count} of {counts.read} rows would be set aside, this one first:"
                f" {first.reason}",
                f"at most {settings.max_rejected:.0%} and at least one good row",
                "Correct the file, or read it by its own scale, time unit or decimal sign as"
                " docs/ingestion.md says; source.max_rejected is the limit",
                line=first.line,
            )
