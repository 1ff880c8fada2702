"""Loads a movies file and a ratings file by the quickest way that the tables and the rows allow."""

from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.movies import Movie, MoviesReader
from recsys_tasks.data.csv.ratings import UNKNOWN_MOVIE, Ratings, RatingsReader
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.difference import LARGEST_ID, Difference
from recsys_tasks.data.load.file_load import Counts, FileLoad, open_csv
from recsys_tasks.data.load.ingested_files import IngestedFiles
from recsys_tasks.data.load.merge import TableLoad
from recsys_tasks.data.load.rejected_rows import SHOWN, RejectedRow, RejectedRows
from recsys_tasks.data.progress import Progress
from recsys_tasks.data.sources.source_files import CheckedFile
from recsys_tasks.data.tables import FileAccount, LoadAccount, Rejection
from recsys_tasks.errors import InputRejected


class RatingsLoad(FileLoad):
    """A load of movies and ratings.

    Args:
        database: for a second connection, which sees the tables as they were.
        connection: in a transaction that ``begin`` prepared, which the caller commits.
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
        self._tables = TableLoad(connection, settings.replace)
        ledger = IngestedFiles(self._tables, settings, run)
        super().__init__(self._tables, ledger, settings, dataset, "ratings")
        self._database = database
        self._movies: tuple[CheckedFile, int] | None = None

    def find(self, file: CheckedFile) -> FileAccount | None:
        """As for any file; a new catalogue that replaces another is followed by its ratings in any
        case: some of them may refer to a movie that it lacks."""
        return None if self._is_new_catalogue() else super().find(file)

    def fill(self, file: CheckedFile, file_id: int, rejected: RejectedRows) -> Counts:
        """Movies or ratings, as the file's role says."""
        take = self._take_movies if file.role == "movies" else self._take_ratings
        return take(file, file_id, rejected)

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
        return super().finish()

    def _take_movies(self, file: CheckedFile, file_id: int, rejected: RejectedRows) -> Counts:
        counts = Counts()
        self._tables.stage_movies(self._good_movies(file, rejected, counts))
        counts.duplicate = self._tables.settle_movies(rejected.add)
        counts.loaded = self._tables.merge_movies(file_id)
        self._movies = (file, file_id)
        return counts

    def _take_ratings(self, file: CheckedFile, file_id: int, rejected: RejectedRows) -> Counts:
        """By the quickest way that the file's order and the table allow; all end in the same."""
        known = self._tables.known_movies(staged_only=self._is_new_catalogue())
        read = partial(self._good_ratings, file, known, rejected)
        if self._settings.replace:
            self._retire_another_generation(read(Counts()), file_id)
        staged = partial(self._stage_and_merge, rejected)
        held = self._tables.holds_ratings()
        for way in (self._apply_difference, self._fill, staged) if held else (self._fill, staged):
            rejected.clear()
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
        self, rejected: RejectedRows, rows: Iterator[Ratings], file_id: int, counts: Counts
    ) -> bool:
        """By way of the stage, where rows of one pair are settled: any file can go this way."""
        if not self._tables.stage_ratings(rows):
            counts.duplicate = self._tables.deduplicate_ratings(rejected.add)
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

    def _good_movies(
        self, file: CheckedFile, rejected: RejectedRows, counts: Counts
    ) -> Iterator[Movie]:
        with file.open() as stream:
            header, blocks = open_csv(file, stream, self._settings)
            reader = MoviesReader(header, self._settings)
            for row in chain.from_iterable(map(reader.read, blocks)):
                counts.read += 1
                if isinstance(row, RejectedRow):
                    rejected.add(row)
                    continue
                self._note(file, row)
                yield row

    def _good_ratings(
        self, file: CheckedFile, known: NDArray[np.int64], rejected: RejectedRows, counts: Counts
    ) -> Generator[Ratings, None, None]:
        latest = int(datetime.now(UTC).timestamp())
        progress = Progress(file.name, "rows", file.size)
        with file.open() as stream:
            header, blocks = open_csv(file, stream, self._settings)
            reader = RatingsReader(header, self._settings, known, latest)
            for block in blocks:
                rows, odd, blank = reader.read(block)
                counts.read += len(block) - blank
                for row in odd:
                    counts.unknown += row.reason.startswith(UNKNOWN_MOVIE)
                    rejected.add(row)
                yield rows
                progress.add(len(block) - blank, stream.tell())

    def _is_new_catalogue(self) -> bool:
        """Whether this load replaced the movies before it came to the ratings."""
        return self._settings.replace and self._movies is not None

    def _note(self, file: CheckedFile, movie: Movie) -> None:
        room = SHOWN - len(self._notes)
        self._notes += [Rejection(file.name, movie.line, note) for note in movie.notes[:room]]
