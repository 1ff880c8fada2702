"""Three roles of least privilege: who may change the schema, who may load, who may read.

They are groups without a login: grant one to each account that connects. The names are the
cluster's; the rights are given for each database and each dataset's schema.
"""

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

MIGRATOR, LOADER, READER = "recsys_migrator", "recsys_loader", "recsys_reader"
ROLES = (MIGRATOR, LOADER, READER)

READER_RIGHTS = """
    GRANT USAGE ON SCHEMA {schema} TO {role};
    GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};
"""

LOADER_RIGHTS = (
    READER_RIGHTS
    + """
    GRANT INSERT, UPDATE, DELETE ON {schema}.movies, {schema}.ratings TO {role};
    GRANT INSERT ON {schema}.movies_history, {schema}.ratings_history TO {role};
    GRANT INSERT, UPDATE ON {schema}.ingested_files TO {role};
    GRANT INSERT ON {schema}.users, {schema}.items, {schema}.items_history TO {role};
    GRANT UPDATE (properties) ON {schema}.users TO {role};
    GRANT UPDATE (title, categories, available_from, available_until, properties, file_id)
        ON {schema}.items TO {role};
    GRANT INSERT ON {schema}.event_types, {schema}.events TO {role};
    GRANT UPDATE (ended_by) ON {schema}.events TO {role};
    GRANT INSERT, DELETE ON {schema}.rejected_rows TO {role};
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role};
"""
)


def create_roles(cursor: Cursor) -> None:
    """Makes the roles that are missing, with their rights in the database itself.

    All may connect, the migrator may make schemas, the loader temporary tables.

    The account needs the right to make roles (CREATEROLE) and owns the database.
    """
    for role in _missing(cursor):
        cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    cursor.execute("SELECT current_database()")
    database = sql.Identifier(cursor.fetchall()[0][0])
    everyone = sql.SQL(", ").join(map(sql.Identifier, ROLES))
    cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, everyone))
    migrator = sql.Identifier(MIGRATOR)
    cursor.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, migrator))
    loader = sql.Identifier(LOADER)
    cursor.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(database, loader))


def grant_rights(cursor: Cursor, schema: str) -> None:
    """Gives loader and reader their rights in a dataset's schema, where these roles exist."""
    missing = _missing(cursor)
    for role, rights in ((LOADER, LOADER_RIGHTS), (READER, READER_RIGHTS)):
        if role not in missing:
            names = {"schema": sql.Identifier(schema), "role": sql.Identifier(role)}
            cursor.execute(sql.SQL(rights).format(**names))


def grant_reading(cursor: Cursor, schema: str, table: str) -> None:
    """Lets loader and reader read a table that was just made, where these roles exist."""
    missing = _missing(cursor)
    for role in (LOADER, READER):
        if role not in missing:
            grant = sql.SQL("GRANT SELECT ON {} TO {}")
            place = sql.Identifier(schema, table)
            cursor.execute(grant.format(place, sql.Identifier(role)))


def _missing(cursor: Cursor) -> list[str]:
    cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(ROLES),))
    found = {row[0] for row in cursor.fetchall()}
    return [role for role in ROLES if role not in found]
