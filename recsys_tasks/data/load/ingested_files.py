"""The table of ingested files: their hashes, their row counts, and as of when they were loaded."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.db.postgres import lock_key
from recsys_tasks.data.load.statements import Statements
from recsys_tasks.data.sources.source_files import CheckedFile
from recsys_tasks.data.tables import FileAccount

ELSEWHERE = {
    *("movies", "ratings", "archive", "items", "events", "users"),
    *("max_rejected", "tolerated_rejected", "replace"),
}
"""Source settings that do not change how a row is read."""

OF_EVENTS = {"event_columns", "item_columns"}
OF_RATINGS = {"rating_columns", "movie_columns", "top_rating", "largest_id"}
"""Source settings that only one kind of files is read by."""

FIND_LIVE = """
    SELECT sha256 = %(sha)s AND read_as = %(read_as)s
        AND (rows_unknown = 0 OR NOT EXISTS (
            SELECT FROM ingested_files later WHERE later.role = 'movies' AND later.id > f.id)),
        rows_read, rows_loaded, rows_rejected, rows_duplicate
    FROM ingested_files f WHERE role = %(role)s AND ended_by IS NULL ORDER BY id
"""

OPEN_ENTRY = """
    INSERT INTO ingested_files (sha256, role, name, rows_read, rows_loaded, rows_rejected,
        rows_duplicate, loaded_at, run, read_as)
    VALUES (%(sha)s, %(role)s, %(name)s, 0, 0, 0, 0, now(), %(run)s, %(read_as)s) RETURNING id
"""

END_OTHERS = """
    UPDATE ingested_files SET ended_by = %(id)s
    WHERE role = %(role)s AND ended_by IS NULL AND id <> %(id)s
"""

CLOSE_ENTRY = """
    UPDATE ingested_files SET rows_read = %(read)s, rows_loaded = %(loaded)s,
        rows_rejected = %(rejected)s, rows_duplicate = %(duplicate)s, rows_unknown = %(unknown)s
    WHERE id = %(id)s
"""


class IngestedFiles:
    """The files of one load, entered in its transaction.

    Args:
        tables: of the load.
        settings: how its files are read; a full snapshot ends the files before it.
        run: who loads.
        read_as: digest of what decides how a row is read; None: that of a file of ratings or movies.
    """

    def __init__(
        self, tables: Statements, settings: SourceSettings, run: str, read_as: str | None = None
    ) -> None:
        self._tables, self._settings, self._run = tables, settings, run
        self._read_as = read_as or digest_of(settings.model_dump(exclude=ELSEWHERE | OF_EVENTS))
        self._entries: list[int] = []

    def find(self, file: CheckedFile) -> FileAccount | None:
        """The account of an earlier load of the same bytes, read the same way, that still stands.

        It does not stand once a snapshot replaced it. A snapshot is only found when nothing was
        added to it since. A file with ratings of unknown movies is not found once another
        catalogue was loaded, so that it is read again.
        """
        live = self._tables.select(
            FIND_LIVE, sha=file.sha256, read_as=self._read_as, role=file.role
        )
        same = [row[1:] for row in live if row[0]]
        if not same or (self._settings.replace and len(live) > 1):
            return None
        read, loaded, rejected, duplicate = same[-1]
        return FileAccount(
            *(file.role, file.name, file.sha256), read, loaded, rejected, duplicate, True
        )

    def open(self, file: CheckedFile) -> int:
        """Enters a file and returns its number; its account follows with ``close``."""
        entered = self._tables.select(
            OPEN_ENTRY,
            sha=file.sha256,
            role=file.role,
            name=file.name,
            run=self._run,
            read_as=self._read_as,
        )
        file_id = int(entered[0][0])
        self._entries.append(file_id)
        if self._settings.replace:
            self._tables.run(END_OTHERS, id=file_id, role=file.role)
        return file_id

    def close(self, file_id: int, account: FileAccount, unknown: int) -> None:
        """Enters a file's account.

        Args:
            file_id: as ``open`` returned it.
            account: the file's rows.
            unknown: how many of the rejected ones refer to a movie that the catalogue lacks.
        """
        self._tables.run(
            CLOSE_ENTRY,
            read=account.read,
            loaded=account.loaded,
            rejected=account.rejected,
            duplicate=account.duplicate,
            unknown=unknown,
            id=file_id,
        )

    def stamp(self, dataset: str) -> None:
        """Gives all files of the load the one moment at which they appear, just before the commit.

        Readers of a past moment wait for the lock, so that none misses a load stamped before it.
        """
        self._tables.select(
            "SELECT pg_advisory_xact_lock(%(key)s)", key=lock_key(f"commit:{dataset}")
        )
        self._tables.run(
            "WITH now AS MATERIALIZED (SELECT clock_timestamp() AS moment)"
            " UPDATE ingested_files SET loaded_at = moment FROM now WHERE id = ANY(%(ids)s)",
            ids=self._entries,
        )


def digest_of(reading: Mapping[str, Any]) -> str:
    """A short name for one way of reading."""
    return hashlib.sha256(json.dumps(reading, sort_keys=True).encode()).hexdigest()[:16]
