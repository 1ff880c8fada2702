"""Movies and ratings with their history, the files that they came from, and the rows set aside.

``file_id`` says which file a row came from, ``ended_by`` which file took it out or changed it: the
state at any past moment is the current rows loaded by then and the history's rows not yet ended.
"""

from alembic import op

revision = "0001"
down_revision = None


KEYS = """
    DO $outer$
    DECLARE
        action record;
    BEGIN
        FOR action IN SELECT * FROM (VALUES
            ('ratings_unlink', 'DROP CONSTRAINT ratings_movie_id_fkey'),
            ('ratings_link',
             'ADD CONSTRAINT ratings_movie_id_fkey FOREIGN KEY (movie_id) REFERENCES movies'),
            ('ratings_unkey', 'DROP CONSTRAINT ratings_pkey'),
            ('ratings_key', 'ADD CONSTRAINT ratings_pkey PRIMARY KEY (user_id, movie_id)')
        ) AS actions (name, clause) LOOP
            EXECUTE format(
                'CREATE FUNCTION %I() RETURNS void LANGUAGE sql SECURITY DEFINER'
                ' SET search_path = %I, pg_temp AS %L',
                action.name, current_schema(), 'ALTER TABLE ratings ' || action.clause);
            EXECUTE format('REVOKE ALL ON FUNCTION %I() FROM PUBLIC', action.name);
        END LOOP;
    END
    $outer$;
"""
"""Functions that take the keys of ``ratings`` off and put them on again around a large load.

They run as the schema's owner, so that the loader can do this much and still not drop a table.
"""


def upgrade() -> None:
    """Makes the tables; ids are bigint, ratings are stars, times are UTC."""
    op.execute("""
        CREATE TABLE ingested_files (
            id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            sha256 text NOT NULL,
            role text NOT NULL CHECK (role IN ('movies', 'ratings')),
            name text NOT NULL,
            rows_read bigint NOT NULL,
            rows_loaded bigint NOT NULL,
            rows_rejected bigint NOT NULL,
            rows_duplicate bigint NOT NULL,
            loaded_at timestamptz NOT NULL,
            run text NOT NULL,
            read_as text NOT NULL,
            rows_unknown bigint NOT NULL DEFAULT 0,
            ended_by integer REFERENCES ingested_files,
            CHECK (rows_read = rows_loaded + rows_rejected + rows_duplicate)
        );
        CREATE TABLE movies (
            id bigint PRIMARY KEY CHECK (id > 0),
            title text NOT NULL,
            genres jsonb NOT NULL,
            file_id integer NOT NULL
        );
        CREATE TABLE movies_history (
            id bigint NOT NULL,
            title text NOT NULL,
            genres jsonb NOT NULL,
            file_id integer NOT NULL,
            ended_by integer NOT NULL
        );
        CREATE TABLE ratings (
            user_id bigint NOT NULL,
            movie_id bigint NOT NULL,
            rating numeric(2,1) NOT NULL,
            rated_at timestamptz NOT NULL,
            file_id integer NOT NULL,
            CONSTRAINT ratings_pkey PRIMARY KEY (user_id, movie_id),
            CONSTRAINT ratings_movie_id_fkey FOREIGN KEY (movie_id) REFERENCES movies
        );
        CREATE TABLE ratings_history (
            user_id bigint NOT NULL,
            movie_id bigint NOT NULL,
            rating numeric(2,1) NOT NULL,
            rated_at timestamptz NOT NULL,
            file_id integer NOT NULL,
            ended_by integer NOT NULL
        );
        CREATE TABLE rejected_rows (
            file_sha256 text NOT NULL,
            line bigint NOT NULL,
            reason text NOT NULL,
            raw text NOT NULL
        );
        CREATE INDEX rejected_rows_file_idx ON rejected_rows (file_sha256);
        CREATE INDEX ingested_files_sha256_idx ON ingested_files (sha256);
    """)
    op.execute(KEYS)


def downgrade() -> None:
    """Refuses: dropping the tables would drop the data."""
    raise NotImplementedError("the first revision is not undone; drop the schema by hand")
