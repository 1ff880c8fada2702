"""Alembic's entry: runs the revisions on the connection and in the schema that ``upgrade`` handed over."""

from alembic import context
from sqlalchemy import text

from recsys_tasks.data.db.migrations import VERSION_TABLE

connection = context.config.attributes["connection"]
schema = context.config.attributes["schema"]

quoted = connection.dialect.identifier_preparer.quote(schema)
connection.execute(text(f"SET LOCAL search_path TO {quoted}"))
context.configure(connection=connection, version_table=VERSION_TABLE, version_table_schema=schema)
context.run_migrations()
