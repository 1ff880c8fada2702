"""A database with one migrated, empty dataset."""

import pytest

from recsys_tasks.data.postgres import Database

DATASET = "mls"


@pytest.fixture
def database(database_url: str) -> Database:
    made = Database(database_url)
    made.migrate(DATASET)
    return made
