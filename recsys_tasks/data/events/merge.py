"""The SQL of a load of events: stage rows, settle those that repeat, merge them into the tables."""

from collections.abc import Callable, Iterable

from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from recsys_tasks.data.load.copy_records import joined
from recsys_tasks.data.load.merge import SORT_MEMORY
from recsys_tasks.data.load.rejected_rows import RejectedRow
from recsys_tasks.data.load.statements import Statements
from recsys_tasks.data.load.turns import run_alone

STAGES = """
    CREATE TEMPORARY TABLE staged_items (
        row bigint, title text, categories jsonb, available_from timestamptz,
        available_until timestamptz, properties jsonb
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE staged_users (row bigint, properties jsonb) ON COMMIT DROP;
    CREATE TEMPORARY TABLE staged_events (
        user_row integer, item_row integer, type smallint, value double precision,
        at timestamptz, line bigint
    ) ON COMMIT DROP;
"""

KEY = "user_row, item_row, type, at"

FIND_UNDECIDED = f"""
    CREATE TEMPORARY TABLE undecided ON COMMIT DROP AS
    SELECT {KEY} FROM staged_events GROUP BY {KEY}
    HAVING count(*) > 1 AND min(value) <> max(value)
"""
"""Values are compared with NaN, no value, as the greatest."""

SHOW_UNDECIDED = f"""
    SELECT s.line, u.id, i.id, t.name, nullif(s.value, 'NaN'), s.at
    FROM staged_events s JOIN undecided USING ({KEY})
    JOIN users u ON u.row = s.user_row JOIN items i ON i.row = s.item_row
    JOIN event_types t ON t.number = s.type ORDER BY s.line
"""

REMOVE_UNDECIDED = """
    DELETE FROM staged_events s USING undecided d
    WHERE (s.user_row, s.item_row, s.type, s.at) = (d.user_row, d.item_row, d.type, d.at)
"""

SETTLED = f"""
    SELECT DISTINCT ON ({KEY}) {KEY}, nullif(value, 'NaN') AS value
    FROM staged_events ORDER BY {KEY}
"""

FILL = f"""
    INSERT INTO events (user_row, item_row, type, at, value, file_id)
    SELECT {KEY}, value, %(file)s FROM ({SETTLED}) AS settled
"""

SETTLE = f"CREATE TEMPORARY TABLE settled_events ON COMMIT DROP AS {SETTLED}"

SAME = """
    e.ended_by IS NULL AND e.user_row = s.user_row AND e.item_row = s.item_row
    AND e.type = s.type AND e.at = s.at
"""

END_CHANGED = f"""
    UPDATE events e SET ended_by = %(file)s FROM settled_events s
    WHERE {SAME} AND e.value IS DISTINCT FROM s.value
"""

END_GONE = f"""
    UPDATE events e SET ended_by = %(file)s
    WHERE e.ended_by IS NULL AND NOT EXISTS (SELECT FROM settled_events s WHERE {SAME})
"""

INSERT_NEW = f"""
    INSERT INTO events (user_row, item_row, type, at, value, file_id)
    SELECT {KEY}, value, %(file)s FROM settled_events s
    WHERE NOT EXISTS (SELECT FROM events e WHERE {SAME}) ORDER BY {KEY}
"""

CHANGED_ITEM = """
    (i.title, i.categories, i.available_from, i.available_until, i.properties)
    IS DISTINCT FROM (s.title, s.categories, s.available_from, s.available_until, s.properties)
"""

MERGE_ITEMS = f"""
    INSERT INTO items_history
    SELECT i.row, i.title, i.categories, i.available_from, i.available_until, i.properties,
        i.file_id, %(file)s
    FROM items i JOIN staged_items s USING (row)
    WHERE {CHANGED_ITEM} AND i.file_id <> %(file)s;
    UPDATE items i SET title = s.title, categories = s.categories,
        available_from = s.available_from, available_until = s.available_until,
        properties = s.properties, file_id = %(file)s
    FROM staged_items s WHERE s.row = i.row AND {CHANGED_ITEM}
"""

MERGE_USERS = """
    UPDATE users u SET properties = s.properties FROM staged_users s
    WHERE s.row = u.row AND u.properties <> s.properties
"""


class EventTables(Statements):
    """One load's work on the tables of one dataset of events.

    Args:
        connection: in a transaction, its search path on the dataset's schema.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.run(STAGES)

    def ids(self, query: str) -> Iterable[bytes]:
        """The only column of a query, as UTF-8, a few thousand rows at a time."""
        with self._connection.cursor("ids") as cursor:
            cursor.itersize = 20_000
            cursor.execute(query)
            for (text,) in cursor:
                yield text.encode()

    def copy_lines(self, target: str, lines: Iterable[bytes]) -> int:
        """COPY of text lines into a table, given with its columns."""
        return self.stream(f"{target} FROM STDIN", joined(lines))

    def remove_undecided(self, reject: Callable[[RejectedRow], None]) -> None:
        """Takes out events of one key in the stage whose values differ."""
        if not self.run(FIND_UNDECIDED):
            return
        reason = "two events of one user, item and type at the same time, and their values differ"
        with self._connection.cursor("undecided_events") as cursor:
            cursor.execute(SHOW_UNDECIDED)
            for line, *fields in cursor:
                reject(RejectedRow(line, reason, ",".join(map(str, fields))))
        self.run(REMOVE_UNDECIDED)

    def merge_events(self, file_id: int, replace: bool) -> int:
        """Puts the staged events into the table; how many of them it holds."""
        self.run(f"SET LOCAL work_mem = '{SORT_MEMORY}'")
        self.run("ANALYZE staged_events")
        if not self.select("SELECT FROM events LIMIT 1"):
            return self._fill(file_id)
        settled = self.run(SETTLE)
        self.run("ANALYZE settled_events")
        self.run(END_CHANGED, file=file_id)
        if replace:
            self.run(END_GONE, file=file_id)
        self.run(INSERT_NEW, file=file_id)
        return settled

    def _fill(self, file_id: int) -> int:
        """Into the empty table, in the order of its index, which is made afterwards."""
        run_alone(self._connection, "SELECT events_begin_fill()")
        filled = self.run(FILL, file=file_id)
        self.run(f"SET LOCAL maintenance_work_mem = '{SORT_MEMORY}'")
        self.run("SELECT events_end_fill()")
        return filled
