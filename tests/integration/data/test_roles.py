"""Three roles in a real Postgres: the loader loads and cannot drop, the reader reads and cannot write."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.db.roles import LOADER, MIGRATOR, READER, ROLES
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.errors import SettingsError

pytestmark = pytest.mark.services
DATASET = "mls"


@pytest.fixture
def logins(database_url: str) -> Iterator[dict[str, str]]:
    """URL of a fresh account for each of the three roles; the dataset was made by the migrator."""
    Database(database_url).migrate("first", with_roles=True)
    password, made = secrets.token_hex(8), {}
    admin = psycopg2.connect(database_url)
    admin.autocommit = True
    with admin.cursor() as cursor:
        for role in ROLES:
            login = f"login_{role}_{secrets.token_hex(3)}"
            cursor.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{password}' IN ROLE {role}")
            made[role] = login
        host = database_url.rpartition("@")[2]
        yield {role: f"postgresql://{login}:{password}@{host}" for role, login in made.items()}
        for login in made.values():
            cursor.execute(f"DROP OWNED BY {login} CASCADE")
            cursor.execute(f"DROP ROLE {login}")
    admin.close()


def execute(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@pytest.fixture
def loaded(logins: dict[str, str], bad: Path) -> dict[str, str]:
    """The same accounts, with the good files loaded by the loader."""
    good = bad / "good"
    source = SourceSettings(movies=str(good / "movies.csv"), ratings=str(good / "ratings.csv"))
    Database(logins[MIGRATOR]).migrate(DATASET)
    account = ingest(Database(logins[LOADER]), source, DATASET, "test")
    assert [file.loaded for file in account.files] == [20, 60]
    return logins


def test_the_reader_reads_what_the_loader_loaded(loaded: dict[str, str]) -> None:
    reader = Database(loaded[READER])
    assert len(reader.read_ratings(DATASET)) == 60
    assert len(reader.read_movies(DATASET)) == 20
    assert len(reader.lineage(DATASET)) == 2


def test_the_loader_replaces_and_updates(loaded: dict[str, str], bad: Path) -> None:
    good = bad / "good"
    files = {"movies": str(good / "movies.csv"), "replace": True}
    newer = SourceSettings(ratings=str(bad / "v13_no_five_star.ratings.csv"), **files)
    account = ingest(Database(loaded[LOADER]), newer, DATASET, "test")
    assert account.files[1].loaded == 60
    assert Database(loaded[READER]).read_ratings(DATASET).rating.max() < 5


BEYOND_THE_LOADER = (
    "DROP TABLE mls.ratings",
    "TRUNCATE mls.ratings",
    "ALTER TABLE mls.movies ADD COLUMN extra text",
    "DROP SCHEMA mls CASCADE",
    "CREATE TABLE mls.mine (a int)",
    "CREATE SCHEMA mine",
    "DELETE FROM mls.ratings_history",
    "UPDATE mls.ratings_history SET rating = 1",
    "DELETE FROM mls.ingested_files",
    "DROP FUNCTION mls.ratings_link()",
)
BEYOND_THE_READER = (
    "INSERT INTO mls.movies VALUES (1, 'a', '[]', 1)",
    "UPDATE mls.ratings SET rating = 5",
    "DELETE FROM mls.ratings",
    "DROP TABLE mls.ratings",
    "SELECT mls.ratings_unlink()",
    "SELECT mls.ratings_retire(1)",
    "CREATE TABLE mls.mine (a int)",
)


def test_the_loader_cannot_drop_alter_or_rewrite_history(loaded: dict[str, str]) -> None:
    for statement in BEYOND_THE_LOADER:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(loaded[LOADER], statement)


def test_the_reader_cannot_write(loaded: dict[str, str]) -> None:
    for statement in BEYOND_THE_READER:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(loaded[READER], statement)


def test_a_load_by_the_reader_is_refused_in_one_line(loaded: dict[str, str], bad: Path) -> None:
    source = SourceSettings(movies=str(bad / "c02_embedded_newline.movies.csv"))
    with pytest.raises(SettingsError, match="permission denied"):
        ingest(Database(loaded[READER]), source, DATASET, "test")


def test_a_migration_by_the_loader_is_refused_in_one_line(loaded: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="permission denied"):
        Database(loaded[LOADER]).migrate("another")


def test_the_loader_loads_where_the_public_may_make_no_temporary_tables(
    logins: dict[str, str], database_url: str, bad: Path
) -> None:
    """As in the compose file's databases, which are closed to the public."""
    name = database_url.rpartition("/")[2]
    execute(database_url, f'REVOKE CONNECT, TEMPORARY ON DATABASE "{name}" FROM PUBLIC')
    Database(logins[MIGRATOR]).migrate(DATASET)
    good = bad / "good"
    source = SourceSettings(movies=str(good / "movies.csv"), ratings=str(good / "ratings.csv"))
    account = ingest(Database(logins[LOADER]), source, DATASET, "test")
    assert [file.loaded for file in account.files] == [20, 60]
