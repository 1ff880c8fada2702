"""Statements of one load, all in its caller's transaction."""

from collections.abc import Iterable
from typing import IO, Any, cast

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from recsys_tasks.data.db.copy_binary import ByteSource


class Statements:
    """Executes statements on a connection.

    Args:
        connection: in a transaction, its search path on the dataset's schema.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, query: str | sql.Composable, **values: Any) -> int:
        """Executes a statement and returns how many rows it touched."""
        with self._connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.rowcount

    def select(self, query: str | sql.Composable, **values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall()

    def copy(self, target: str, source: IO[bytes]) -> int:
        """Streams a file-like object into a table and returns how many rows Postgres counted."""
        with self._connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {target}", source, size=1 << 20)
            return cursor.rowcount

    def stream(self, target: str, pieces: Iterable[bytes]) -> int:
        """COPY of what is made on the way; what goes wrong there is raised as it is."""
        with ByteSource(pieces) as source:
            try:
                return self.copy(target, cast(IO[bytes], source))
            except psycopg2.Error:
                if source.failure:
                    raise source.failure from None
                raise
