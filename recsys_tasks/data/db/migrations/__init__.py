"""The dataset's schema, by alembic: one revision tree, applied to each dataset's own schema."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection

log = logging.getLogger(__name__)

VERSION_TABLE = "schema_version"
"""Alembic's version table, inside the dataset's schema; Airflow keeps its own elsewhere."""


def upgrade(connection: Connection, schema: str) -> str:
    """Brings the schema to the newest revision on the caller's connection and returns its name.

    Args:
        connection: an open connection that owns or may create in ``schema``.
        schema: a validated dataset name; the schema exists.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    logging.getLogger("alembic").setLevel(logging.WARNING)
    before = revision(connection, schema)
    command.upgrade(config, "head")
    after = revision(connection, schema) or ""
    if after != before:
        log.info("schema %s: from revision %s to %s", schema, before or "none", after)
    return after


def revision(connection: Connection, schema: str) -> str | None:
    """The revision that the schema is at; None when it was never migrated."""
    options = {"version_table": VERSION_TABLE, "version_table_schema": schema}
    return MigrationContext.configure(connection, opts=options).get_current_revision()
