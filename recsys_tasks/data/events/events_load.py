"""Loads files of items, users and events: every id gets its row, every row of a file its outcome."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.events import records
from recsys_tasks.data.events.csv_events import EventsReader
from recsys_tasks.data.events.csv_named import NamedReader
from recsys_tasks.data.events.dictionary import Dictionary
from recsys_tasks.data.events.fields import MICRO
from recsys_tasks.data.events.merge import MERGE_ITEMS, MERGE_USERS, EventTables
from recsys_tasks.data.events.parquet import ParquetFile
from recsys_tasks.data.events.rows import EventRows, NamedRow, Taken
from recsys_tasks.data.load.file_load import Counts, FileLoad, open_csv
from recsys_tasks.data.load.ingested_files import ELSEWHERE, OF_RATINGS, IngestedFiles, digest_of
from recsys_tasks.data.load.rejected_rows import RejectedRow, RejectedRows
from recsys_tasks.data.progress import Progress
from recsys_tasks.data.sources.source_files import CheckedFile
from recsys_tasks.errors import InputRejected

MOST_TYPES = 1000
"""Different types of event; more are taken for a fault: the column is another one."""


class EventsLoad(FileLoad):
    """A load of items, users and events.

    Args:
        connection: in a transaction that ``begin`` prepared, which the caller commits.
        settings: how to read the files.
        dataset: a validated name, its schema migrated.
        run: who loads.
        types: the types of event that have a weight; empty: any type is loaded.
    """

    def __init__(
        self,
        connection: Connection,
        settings: SourceSettings,
        dataset: str,
        run: str,
        types: frozenset[str],
    ) -> None:
        self._tables, self._types = EventTables(connection), types
        reading = settings.model_dump(exclude=ELSEWHERE | OF_RATINGS) | {"types": sorted(types)}
        ledger = IngestedFiles(self._tables, settings, run, digest_of(reading))
        super().__init__(self._tables, ledger, settings, dataset, "events")

    def fill(self, file: CheckedFile, file_id: int, rejected: RejectedRows) -> Counts:
        """Items, users or events, as the file's role says."""
        counts = Counts()
        blocks = self._counted(file, rejected, counts)
        if file.role == "events":
            self._fill_events(blocks, file, file_id, rejected, counts)
        else:
            self._fill_named(blocks, file, file_id, rejected, counts)
        return counts

    @cached_property
    def _rows(self) -> records.Rows:
        """The dictionaries as the tables hold them."""
        queries = (
            "SELECT id FROM users ORDER BY row",
            "SELECT id FROM items ORDER BY row",
            "SELECT name FROM event_types ORDER BY number",
        )
        return records.Rows(*(Dictionary(self._tables.ids(query)) for query in queries))

    def _fill_events(
        self,
        blocks: Iterable[Taken],
        file: CheckedFile,
        file_id: int,
        rejected: RejectedRows,
        counts: Counts,
    ) -> None:
        rows, valued = self._rows, [False]

        def pieces() -> Iterator[bytes]:
            for block in blocks:
                assert isinstance(block.good, EventRows)
                valued[0] = valued[0] or bool((block.good.value == block.good.value).any())
                yield rows.records(block.good)
                self._refuse_many_types(file)

        staged = self._tables.stream(
            "staged_events FROM STDIN (FORMAT binary)", records.framed(pieces())
        )
        self._store_ids(file_id)
        before = rejected.count
        if valued[0]:
            self._tables.remove_undecided(rejected.add)
        counts.loaded = self._tables.merge_events(file_id, self._settings.replace)
        counts.duplicate = staged - (rejected.count - before) - counts.loaded
        self._tables.run("TRUNCATE staged_events; DROP TABLE IF EXISTS settled_events, undecided")

    def _fill_named(
        self,
        blocks: Iterable[Taken],
        file: CheckedFile,
        file_id: int,
        rejected: RejectedRows,
        counts: Counts,
    ) -> None:
        is_items = file.role == "items"
        of = self._rows.items if is_items else self._rows.users
        settled = _settled(blocks, of, rejected.add, counts)
        if is_items:
            lines = (records.item_line(row, item) for row, item in settled)
            counts.loaded = self._tables.copy_lines("staged_items", lines)
        else:
            lines = (records.line_of((row, records.properties(user))) for row, user in settled)
            counts.loaded = self._tables.copy_lines("staged_users", lines)
        self._store_ids(file_id)
        self._tables.run(MERGE_ITEMS if is_items else MERGE_USERS, file=file_id)
        self._tables.run(f"TRUNCATE staged_{file.role}")

    def _store_ids(self, file_id: int) -> None:
        """Enters the ids that this file brought; an item is called by its id until a file names it."""
        rows = self._rows
        for target, lines in (
            (
                "users (row, id, first_file)",
                ((row, each.decode(), file_id) for row, each in rows.users.added()),
            ),
            (
                "items (row, id, title, first_file, file_id)",
                (
                    (row, each.decode(), each.decode(), file_id, file_id)
                    for row, each in rows.items.added()
                ),
            ),
            (
                "event_types (number, name)",
                ((row, each.decode()) for row, each in rows.types.added()),
            ),
        ):
            self._tables.copy_lines(target, map(records.line_of, lines))
        for dictionary in (rows.users, rows.items, rows.types):
            dictionary.store()

    def _counted(
        self, file: CheckedFile, rejected: RejectedRows, counts: Counts
    ) -> Iterator[Taken]:
        """The file's blocks, their rows counted and the rejected ones handed on."""
        progress = Progress(file.name, "rows", None)
        for block in self._blocks(file):
            counts.read += block.read
            for row in block.rejected:
                rejected.add(row)
            yield block
            progress.add(block.read, 0)

    def _blocks(self, file: CheckedFile) -> Iterator[Taken]:
        latest = int(time.time() * MICRO)
        if file.is_parquet():
            parquet = ParquetFile(file.path, file.name, file.role, self._settings)
            is_events = file.role == "events"
            yield from parquet.events(self._types, latest) if is_events else parquet.named()
            return
        with file.open() as stream:
            header, blocks = open_csv(file, stream, self._settings)
            reader = (
                EventsReader(header, self._settings, self._types, latest)
                if file.role == "events"
                else NamedReader(file.role, header, self._settings)
            )
            yield from map(reader.read, blocks)

    def _refuse_many_types(self, file: CheckedFile) -> None:
        if len(self._rows.types) > MOST_TYPES:
            column = self._settings.event_columns.type
            raise InputRejected(
                file.name,
                f"more than {MOST_TYPES} different types of event",
                "a name for what was done, such as view or buy",
                "Name the right column in source.event_columns.type",
                column=f"column {column}",
            )


def _settled(
    blocks: Iterable[Taken],
    dictionary: Dictionary,
    reject: Callable[[RejectedRow], None],
    counts: Counts,
) -> Iterator[tuple[int, NamedRow]]:
    """Each id's first row, with its place in the dictionary.

    Later rows that say the same are duplicates; those that say something else are rejected.
    """
    first: dict[int, int] = {}
    for block in blocks:
        assert not isinstance(block.good, EventRows)
        for row, named in zip(
            dictionary.rows_of([named.id for named in block.good]).tolist(), block.good, strict=True
        ):
            said = hash(
                (
                    named.title,
                    named.categories,
                    named.available_from,
                    named.available_until,
                    str(named.properties),
                )
            )
            if row not in first:
                first[row] = said
                yield row, named
            elif first[row] == said:
                counts.duplicate += 1
            else:
                reason = "an earlier row says something else of this id"
                reject(RejectedRow(named.line, reason, f"{named.id.decode()},{named.title}"))
