"""What every load does, whatever its files hold: locks, the ledger, the account of each file."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.blocks import Block, read_blocks
from recsys_tasks.data.csv.header import Header, read_header
from recsys_tasks.data.db import postgres
from recsys_tasks.data.db.postgres import lock_key
from recsys_tasks.data.load.ingested_files import IngestedFiles
from recsys_tasks.data.load.rejected_rows import RejectedRows
from recsys_tasks.data.load.statements import Statements
from recsys_tasks.data.sources.source_files import CheckedFile
from recsys_tasks.data.tables import FileAccount, LoadAccount, Rejection
from recsys_tasks.errors import InputRejected, PermanentError, SettingsError
from recsys_tasks.printable import printable

log = logging.getLogger(__name__)

KINDS = {"ratings": ("movies", "ratings"), "events": ("items", "users", "events")}
"""The roles of files that a dataset of each kind takes."""


def named(file: CheckedFile) -> tuple[str, str]:
    """A file's role and its name as a log may show it."""
    return file.role, printable(file.name)


@dataclass
class Counts:
    """Rows of one file so far; ``read`` is counted on its own, so that the account can be checked."""

    read: int = 0
    loaded: int = 0
    duplicate: int = 0
    unknown: int = 0


class FileLoad(ABC):
    """One load in its transaction, file by file.

    Args:
        statements: of a fresh transaction, which this load fills and its caller commits.
        ledger: of the same.
        settings: how to read the files.
        dataset: a validated name, its schema migrated.
        kind: a key of ``KINDS``.
    """

    def __init__(
        self,
        statements: Statements,
        ledger: IngestedFiles,
        settings: SourceSettings,
        dataset: str,
        kind: str,
    ) -> None:
        self._statements, self._ledger = statements, ledger
        self._settings, self._dataset, self._kind = settings, dataset, kind
        self._accounts: list[FileAccount] = []
        self._rejections: list[Rejection] = []
        self._notes: list[Rejection] = []

    @abstractmethod
    def fill(self, file: CheckedFile, file_id: int, rejected: RejectedRows) -> Counts:
        """Puts a file's rows into the tables, and those that are rejected into ``rejected``."""

    def find(self, file: CheckedFile) -> FileAccount | None:
        """The account of an earlier load of the same file; None: it must be loaded."""
        return self._ledger.find(file)

    def take(self, file: CheckedFile) -> None:
        """Loads one file, or finds that the tables hold it already.

        Raises:
            InputRejected: it cannot be trusted, or the dataset is of another kind.
        """
        self._refuse_other_kind(file)
        if known := self.find(file):
            log.info("%s %s: already loaded, nothing to do", *named(file))
            self._accounts.append(known)
            return
        file_id = self._ledger.open(file)
        with RejectedRows(file.name, file.sha256) as rejected:
            counts = self.fill(file, file_id, rejected)
            file.refuse_if_changed()
            account = self._account(file, counts, rejected)
            self._statements.run(
                "DELETE FROM rejected_rows WHERE file_sha256 = %(sha)s", sha=file.sha256
            )
            self._statements.copy("rejected_rows FROM STDIN", rejected.copy_lines())
            self._rejections += rejected.first
        self._ledger.close(file_id, account, counts.unknown)
        self._accounts.append(account)

    def finish(self) -> LoadAccount:
        """Stamps the moment and returns the account."""
        self._ledger.stamp(self._dataset)
        return LoadAccount(tuple(self._accounts), tuple(self._rejections), tuple(self._notes))

    def _refuse_other_kind(self, file: CheckedFile) -> None:
        """A dataset holds ratings of movies, or events with items."""
        others = [role for kind, roles in KINDS.items() if kind != self._kind for role in roles]
        held = "SELECT role FROM ingested_files WHERE role = ANY(%(roles)s) LIMIT 1"
        if found := self._statements.select(held, roles=others):
            raise InputRejected(
                file.name,
                f"dataset {self._dataset} holds {found[0][0]}, and this is a file of {file.role}",
                "one kind of files in a dataset: movies and ratings, or items, users and events",
                "Load it into another --dataset",
            )

    def _account(self, file: CheckedFile, counts: Counts, rejected: RejectedRows) -> FileAccount:
        """The file's account.

        Raises:
            InputRejected: no good row, or more bad ones than the settings allow.
            PermanentError: rows were lost on the way; a fault of this program.
        """
        self._refuse_if_bad(file, counts, rejected)
        account = FileAccount(
            *(file.role, file.name, file.sha256),
            *(counts.read, counts.loaded, rejected.count, counts.duplicate),
        )
        if account.read != account.loaded + account.rejected + account.duplicate:
            raise PermanentError(
                f"{file.name}: the account does not add up, nothing is kept: {account}"
            )
        log.info(
            "%s %s: %s rows read = %s loaded + %s rejected + %s duplicate",
            *named(file),
            *(
                f"{n:,}"
                for n in (account.read, account.loaded, account.rejected, account.duplicate)
            ),
        )
        return account

    def _refuse_if_bad(self, file: CheckedFile, counts: Counts, rejected: RejectedRows) -> None:
        settings, first = self._settings, rejected.first[0] if rejected.first else None
        if counts.read == 0:
            raise InputRejected(file.name, "no data rows after the header", "rows")
        allowed = max(settings.tolerated_rejected, settings.max_rejected * counts.read)
        if first and (rejected.count > allowed or rejected.count == counts.read):
            raise InputRejected(
                file.name,
                f"{rejected.count} of {counts.read} rows would be rejected, this one first:"
                f" {first.reason}",
                f"at most {settings.max_rejected:.0%} and at least one good row",
                "Correct the file, or read it by its own scale, time unit or decimal sign as"
                " docs/ingestion.md says; source.max_rejected is the limit",
                line=first.line,
            )


def begin(connection: Connection, dataset: str) -> None:
    """Takes the dataset's lock and its schema, for the length of the transaction.

    Raises:
        SettingsError: the dataset has no tables yet.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(f"load:{dataset}"),))
        cursor.execute("SET LOCAL lock_timeout = %s", (postgres.LOCK_WAIT,))
        cursor.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(dataset)))
        cursor.execute("SELECT to_regclass('events')")
        if cursor.fetchone() == (None,):
            raise SettingsError(
                f"dataset {dataset} has no tables yet: run `recsys migrate --dataset {dataset}`"
            )


def open_csv(
    file: CheckedFile, stream: BinaryIO, settings: SourceSettings
) -> tuple[Header, Iterator[Block]]:
    """The header, and the blocks of rows after it.

    Raises:
        InputRejected: there is no header, or it is that of another file.
    """
    blocks = read_blocks(stream, file.name, settings.quote)
    first = next(blocks, None)
    if first is None:
        raise InputRejected(file.name, "the file is empty", "a header and rows")
    header = read_header(first, file.name, file.role, settings)
    return header, chain([first.after(header.records)], blocks)
