"""Takes a table for a load alone, without holding up who reads it meanwhile.

In Postgres every reader queues behind a statement that waits to have the table to itself. Such a statement
therefore waits a short turn, gives up, lets the readers pass who have queued, and tries again.
"""

import time
from typing import Any

from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

TURN = 1.0
"""Seconds of one wait, and so the longest that a reader queues behind it."""

PAUSE = 0.2
"""Seconds between two waits, in which those who queued get their locks."""


def run_alone(
    connection: Connection,
    query: str,
    values: dict[str, Any] | None = None,
    turn: float = TURN,
) -> None:
    """Executes a statement that takes the strongest lock, in turns up to the transaction's ``lock_timeout``.

    What it created or emptied counts as done in the caller's own savepoint, as COPY's FREEZE asks.

    Args:
        connection: in a transaction.
        query: the statement.
        values: its parameters.
        turn: seconds of one wait.

    Raises:
        LockNotAvailable: psycopg2's, when the transaction's ``lock_timeout`` has passed.
    """
    limit = _lock_timeout(connection)
    until = time.monotonic() + limit
    while not _took_turn(connection, query, values, min(turn, limit), limit):
        if time.monotonic() >= until:
            raise errors.LockNotAvailable("canceling statement due to lock timeout")
        time.sleep(min(PAUSE, turn))


def _took_turn(
    connection: Connection,
    query: str,
    values: dict[str, Any] | None,
    turn: float,
    limit: float,
) -> bool:
    """Whether one wait was enough; if not, the transaction is as before."""
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT turn")
        _set_lock_timeout(cursor, turn)
        try:
            cursor.execute(query, values)
        except errors.LockNotAvailable:
            cursor.execute("ROLLBACK TO SAVEPOINT turn; RELEASE SAVEPOINT turn")
            return False
        _set_lock_timeout(cursor, limit)
        cursor.execute("RELEASE SAVEPOINT turn")
        return True


def _lock_timeout(connection: Connection) -> float:
    """The transaction's ``lock_timeout`` in seconds; without one, as good as none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting::float / 1000 FROM pg_settings WHERE name = 'lock_timeout'")
        (seconds,) = cursor.fetchone() or (0.0,)
    return float(seconds) or 86_400.0


def _set_lock_timeout(cursor: Any, seconds: float) -> None:
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", (f"{round(seconds * 1000)}ms",))
