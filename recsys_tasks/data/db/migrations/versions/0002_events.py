"""Users, items and events of datasets whose ids are any text; the tables of ratings stay as they are.

``users`` and ``items`` are the dictionary: they give each external id a dense row, once, and rows are
only ever added. An event is valid from the load of its file until that of ``ended_by``.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
    ALTER TABLE ingested_files DROP CONSTRAINT ingested_files_role_check;
    ALTER TABLE ingested_files ADD CONSTRAINT ingested_files_role_check
        CHECK (role IN ('movies', 'ratings', 'users', 'items', 'events'));
    CREATE TABLE users (
        row bigint PRIMARY KEY CHECK (row >= 0),
        id text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(id) BETWEEN 1 AND 255),
        properties jsonb NOT NULL DEFAULT '{}',
        first_file integer NOT NULL
    );
    CREATE TABLE items (
        row bigint PRIMARY KEY CHECK (row >= 0),
        id text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(id) BETWEEN 1 AND 255),
        title text NOT NULL,
        categories jsonb NOT NULL DEFAULT '[]',
        available_from timestamptz,
        available_until timestamptz,
        properties jsonb NOT NULL DEFAULT '{}',
        first_file integer NOT NULL,
        file_id integer NOT NULL
    );
    CREATE TABLE items_history (
        row bigint NOT NULL,
        title text NOT NULL,
        categories jsonb NOT NULL,
        available_from timestamptz,
        available_until timestamptz,
        properties jsonb NOT NULL,
        file_id integer NOT NULL,
        ended_by integer NOT NULL
    );
    CREATE TABLE event_types (
        number smallint PRIMARY KEY,
        name text COLLATE "C" NOT NULL UNIQUE
    );
    CREATE TABLE events (
        user_row integer NOT NULL,
        item_row integer NOT NULL,
        type smallint NOT NULL,
        value double precision,
        at timestamptz NOT NULL,
        file_id integer NOT NULL,
        ended_by integer
    );
    CREATE UNIQUE INDEX events_valid_idx ON events (user_row, item_row, type, at)
        WHERE ended_by IS NULL;
    CREATE VIEW named_events AS
        SELECT u.id AS user_id, i.id AS item_id, t.name AS type, e.value, e.at
        FROM events e JOIN users u ON u.row = e.user_row JOIN items i ON i.row = e.item_row
        JOIN event_types t ON t.number = e.type
        WHERE e.ended_by IS NULL;
"""

FILL = """
    CREATE FUNCTION events_begin_fill() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF EXISTS (SELECT FROM events) THEN
            RAISE EXCEPTION 'events is not empty';
        END IF;
        DROP INDEX events_valid_idx;
    END $$;
    CREATE FUNCTION events_end_fill() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
        CREATE UNIQUE INDEX events_valid_idx ON events (user_row, item_row, type, at)
            WHERE ended_by IS NULL;
        ANALYZE events;
    $$;
    DO $outer$
    DECLARE
        made text;
    BEGIN
        FOREACH made IN ARRAY ARRAY['events_begin_fill()', 'events_end_fill()'] LOOP
            EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp',
                           made, current_schema());
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made);
        END LOOP;
    END $outer$;
"""
"""What a first load needs of the schema's owner: the index made once the rows are there."""


def upgrade() -> None:
    """Makes the tables; rows count from 0, moments are UTC."""
    op.execute(TABLES)
    op.execute(FILL)


def downgrade() -> None:
    """Refuses: dropping the tables would drop the data."""
    raise NotImplementedError("this revision is not undone; drop the schema by hand")
