"""Movies and ratings with their history, the files that they came from, and the rejected rows.

``file_id`` says which file a row came from, ``ended_by`` which file took it out or changed it: the
state at any past moment is the current rows loaded by then and the history's rows not yet ended.
"""

from alembic import op

revision = "0001"
down_revision = None


KEYS = """
    CREATE FUNCTION ratings_begin_fill() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF EXISTS (SELECT FROM ratings) THEN
            RAISE EXCEPTION 'ratings is not empty';
        END IF;
        ALTER TABLE ratings DROP CONSTRAINT ratings_movie_id_fkey, DROP CONSTRAINT ratings_pkey;
        TRUNCATE ratings;
    END $$;
    CREATE FUNCTION ratings_end_fill() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
        ALTER TABLE ratings ADD CONSTRAINT ratings_pkey PRIMARY KEY (user_id, movie_id);
        ALTER TABLE ratings ADD CONSTRAINT ratings_movie_id_fkey
            FOREIGN KEY (movie_id) REFERENCES movies;
        ANALYZE ratings;
    $$;
    CREATE FUNCTION ratings_retire(file integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
    DECLARE
        retired text := 'ratings_history_' || file;
        privilege record;
    BEGIN
        IF EXISTS (SELECT FROM pg_depend WHERE refobjid = 'ratings'::regclass AND classid IN
                   ('pg_rewrite'::regclass, 'pg_publication_rel'::regclass, 'pg_policy'::regclass))
        THEN
            INSERT INTO ratings_history SELECT *, file FROM ratings;
            TRUNCATE ratings;
            RETURN;
        END IF;
        ALTER TABLE ratings DROP CONSTRAINT ratings_movie_id_fkey, DROP CONSTRAINT ratings_pkey;
        EXECUTE format('ALTER TABLE ratings RENAME TO %I', retired);
        EXECUTE format('CREATE TABLE ratings (LIKE %I INCLUDING ALL)', retired);
        PERFORM ratings_end_fill();
        FOR privilege IN SELECT * FROM pg_class, aclexplode(relacl)
            WHERE pg_class.oid = retired::regclass AND grantee NOT IN (0, relowner) LOOP
            EXECUTE format('GRANT %s ON ratings TO %s',
                           privilege.privilege_type, privilege.grantee::regrole);
            EXECUTE format('REVOKE ALL ON %I FROM %s', retired, privilege.grantee::regrole);
        END LOOP;
        EXECUTE format('ALTER TABLE %I ADD COLUMN ended_by integer NOT NULL DEFAULT %s',
                       retired, file);
        EXECUTE format('ALTER TABLE %I INHERIT ratings_history', retired);
    END $$;
    CREATE FUNCTION ratings_unlink() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
        ALTER TABLE ratings DROP CONSTRAINT ratings_movie_id_fkey;
    $$;
    CREATE FUNCTION ratings_link() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
        ALTER TABLE ratings ADD CONSTRAINT ratings_movie_id_fkey
            FOREIGN KEY (movie_id) REFERENCES movies;
    $$;
    DO $outer$
    DECLARE
        made record;
    BEGIN
        FOR made IN SELECT oid::regprocedure AS signature FROM pg_proc
            WHERE pronamespace = current_schema()::regnamespace LOOP
            EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp',
                           made.signature, current_schema());
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made.signature);
        END LOOP;
    END $outer$;
"""
"""What a large load needs of the schema's owner: keys off and on, and an old generation retired.

The functions run as the owner, so that the loader can do this much and still not drop a table. A
row leaves ``ratings`` by them only into the history. A generation is retired by making its table a
child of the history and a new one in its place, which copies nothing; where a view, a publication
or a policy clings to the table, its rows are copied instead.
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
