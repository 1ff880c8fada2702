"""What every test may ask for: malformed files, the sample's ratings, a real Postgres and a real S3 server of this run.

Both servers start when the first test asks, hold nothing from other runs, and die with pytest.
"""

import os
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.devstack.folders import database_home, state_folder
from recsys_tasks.devstack.postgres import FORGETFUL, create_database, drop_database, start_postgres
from recsys_tasks.devstack.s3 import make_bucket, start_s3
from recsys_tasks.devstack.sample import make_sample

PROJECT = Path(__file__).parents[1]
STATE = PROJECT / ".recsys"

# A test reads no connection, and writes no file, of whoever runs it.
for variable in [name for name in os.environ if name.startswith(("RECSYS_", "AWS_", "AIRFLOW"))]:
    del os.environ[variable]
os.environ["RECSYS_HOME"] = str(STATE / "no-stack-runs-here")


@pytest.fixture(scope="session")
def bad() -> Path:
    """Folder of the malformed files, with what a good one is in ``good/``."""
    return PROJECT / "tests/data/bad"


@pytest.fixture(scope="session")
def sample() -> Path:
    """Folder of the sample's ``movies.csv`` and ``ratings.csv``, made once for a clone."""
    movies, _ = make_sample(state_folder(STATE) / "sample")
    return movies.parent


@pytest.fixture(scope="session")
def service_home() -> Iterator[Path]:
    """Folder for this run's servers that the database's account can reach; gone afterwards."""
    home = database_home(state_folder(STATE))
    _sweep(home)
    folder = Path(tempfile.mkdtemp(prefix=f"test-{os.getpid()}-", dir=home))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def _sweep(home: Path) -> None:
    """Removes what killed test runs left."""
    for folder in home.glob("test-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(service_home: Path) -> Iterator[str]:
    """Superuser's URL of a Postgres that only this test run uses."""
    server = start_postgres(service_home, secrets.token_hex(16), settings=FORGETFUL)
    yield server.url
    server.stop()


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """URL of a fresh, empty database."""
    name = f"test_{secrets.token_hex(6)}"
    create_database(postgres_url, name)
    yield postgres_url.rpartition("/")[0] + f"/{name}"
    drop_database(postgres_url, name)


@pytest.fixture(scope="session")
def migrated(postgres_url: str) -> str:
    """Name of a database with the empty dataset ``mls``, which is only copied."""
    name = "migrated"
    create_database(postgres_url, name)
    Database(postgres_url.rpartition("/")[0] + f"/{name}").migrate("mls")
    return name


@pytest.fixture
def database(postgres_url: str, migrated: str) -> Iterator[Database]:
    """A fresh database with the empty dataset ``mls``: a copy costs a third of a migration."""
    name = f"copy_{secrets.token_hex(6)}"
    copy_database(postgres_url, migrated, name)
    yield Database(postgres_url.rpartition("/")[0] + f"/{name}")
    drop_database(postgres_url, name)


def copy_database(url: str, template: str, name: str) -> None:
    """Makes a database as ``template`` is, to which nobody may be connected."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    connection.close()


@pytest.fixture(scope="session")
def s3(service_home: Path) -> Iterator[StoreAccess]:
    """Keys to an S3 server that only this test run uses."""
    server = start_s3(service_home, secrets.token_hex(8), secrets.token_hex(20), "recsys")
    yield server.access
    server.stop()


@pytest.fixture
def bucket(s3: StoreAccess) -> StoreAccess:
    """Keys to a fresh, empty bucket."""
    access = replace(s3, bucket=f"test-{secrets.token_hex(6)}")
    make_bucket(access)
    return access


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker("slow")
        group = marker.args[0] if marker else "/".join(item.nodeid.split("/")[:2])
        item.user_properties.append(("group", group))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The time of each group, where the slow ones were chosen or left out."""
    if "slow" not in config.option.markexpr:
        return
    seconds, tests = Counter[str](), Counter[str]()
    for report in chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            group = dict(report.user_properties)["group"]
            seconds[group] += report.duration
            tests[group] += report.when == "call"
    terminalreporter.section("time by group")
    for group, spent in seconds.most_common():
        terminalreporter.line(f"{spent:6.0f} s  {tests[group]:4} tests  {group}")
