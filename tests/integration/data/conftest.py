"""A database with one migrated, empty dataset; making a schema costs less than making a database."""

import secrets
from collections.abc import Iterator

import pytest

from recsys_tasks.data.postgres import Database
from recsys_tasks.local.postgres import create_database, drop_database

DATASET = "mls"


@pytest.fixture(scope="session")
def data_database(postgres_url: str) -> Iterator[Database]:
    """One database for all tests of this folder."""
    name = f"data_{secrets.token_hex(6)}"
    create_database(postgres_url, name)
    yield Database(postgres_url.rpartition("/")[0] + f"/{name}")
    drop_database(postgres_url, name)


@pytest.fixture
def database_url(data_database: Database) -> str:
    """The URL of that database, its datasets dropped."""
    with data_database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information|public)'"
        )
        for (schema,) in cursor.fetchall():
            cursor.execute(f'DROP SCHEMA "{schema}" CASCADE')
    return data_database.url


@pytest.fixture
def database(database_url: str) -> Database:
    made = Database(database_url)
    made.migrate(DATASET)
    return made
