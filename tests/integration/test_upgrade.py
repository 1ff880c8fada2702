"""Tables and bucket of the version before, under the code of today; and a consumer that is one version behind.

The older code comes from the clone's own history and runs in processes of its own, on the same libraries.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from small_source import write_source

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.devstack.postgres import create_database, drop_database

pytestmark = [pytest.mark.services, pytest.mark.slow("upgrade")]

PROJECT = Path(__file__).parents[2]
BEFORE = "7255ff3d72c7fc7e26b4b3a36119e384407e39a9"
"""The revision that an installation of the version before has: movies and ratings only, migration 0001."""

SMALL = {
    "train.engine": "recsys",
    "train.components": 4,
    "train.epochs": 3,
    "index.trees": 3,
    "gate.min_precision": 0.0001,
    "gate.min_popular_ratio": 0.01,
    "gate.min_effective_rank": 0,
    "gate.min_index_recall": 0,
    "gate.max_champion_loss": 1.0,
}


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    document: Any
    said: str


Command = Callable[..., Ended]


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the version before."""
    git = ["git", "-C", str(PROJECT)]
    if subprocess.run(
        [*git, "cat-file", "-e", f"{BEFORE}^{{commit}}"], capture_output=True
    ).returncode:
        pytest.skip(f"NOT TESTED: this clone's history does not reach {BEFORE}")
    folder = tmp_path_factory.mktemp("older")
    packed = subprocess.run(
        [*git, "archive", BEFORE, "recsys_tasks"], capture_output=True, check=True
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


@pytest.fixture(scope="module")
def services(postgres_url: str, s3: StoreAccess) -> Any:
    """A database and a bucket's prefix that both versions use; variables that name them."""
    name = "upgraded"
    create_database(postgres_url, name)
    url = postgres_url.rpartition("/")[0] + f"/{name}"
    yield {"RECSYS_DB_URL": url, **s3.variables()}
    drop_database(postgres_url, name)


@pytest.fixture(scope="module")
def run(services: dict[str, str], older: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Runs a command of ``recsys`` over the dataset, by the code of today unless told otherwise."""
    home = tmp_path_factory.mktemp("home")

    def command(*words: str, before: bool = False) -> Ended:
        code = str(older) if before else str(PROJECT)
        own = {"PYTHONPATH": code, "HOME": str(home / ("before" if before else "now"))}
        done = subprocess.run(
            [sys.executable, "-m", "recsys_tasks.cli.main", *words, "--dataset", "aged", "--json"],
            env={**os.environ, **services, **own, "RECSYS_REVISION": "as tested"},
            cwd=home,
            capture_output=True,
            text=True,
        )
        found = json.loads(done.stdout) if done.stdout.strip() else None
        return Ended(done.returncode, found, done.stderr)

    return command


@pytest.fixture(scope="module")
def train(run: Command, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Trains on the same files, with a seed of its own for each version."""
    files = write_source(tmp_path_factory.mktemp("source"))

    def command(seed: int, before: bool = False) -> Ended:
        settings = SMALL | files | {"train.seed": seed}
        given = [f"{name}={value}" for name, value in settings.items()]
        words = [word for one in given for word in ("--set", one)]
        return run("train", "--preset", "quick", *words, before=before)

    return command


@pytest.fixture(scope="module")
def versions(train: Command, services: dict[str, str]) -> tuple[str, str]:
    """The champion that the version before trained, and the one of today on the same tables."""
    first = train(1, before=True)
    assert (first.code, first.document["promoted"]) == (0, True), first.said
    assert revision(services) == "0001"
    second = train(2)
    assert (second.code, second.document["promoted"]) == (0, True), second.said
    return first.document["version"], second.document["version"]


def test_the_older_code_is_the_older_code(older: Path) -> None:
    found = sorted(path.name for path in older.rglob("migrations/versions/*.py"))
    assert found == ["0001_ratings_with_history.py"]


def test_the_tables_are_migrated_and_no_row_is_lost(
    versions: tuple[str, str], services: dict[str, str]
) -> None:
    newest = sorted((PROJECT / "recsys_tasks/data/db/migrations/versions").glob("0*.py"))[-1]
    assert revision(services) == newest.name[:4]
    assert rows(services, "select count(*) from aged.ratings") == [(60 * 18,)]
    loaded = rows(services, "select role, rows_loaded from aged.ingested_files order by role")
    assert loaded == [("movies", 45), ("ratings", 60 * 18)]


def test_the_older_version_is_whole_and_answers_under_the_code_of_today(
    versions: tuple[str, str], run: Command
) -> None:
    verified = run("verify", versions[0])
    assert verified.code == 0, verified.said
    asked = run("recommend", "--user", "7", "-k", "5", "--version", versions[0])
    assert (asked.code, asked.document["version"]) == (0, versions[0]), asked.said
    assert len(asked.document["items"]) == 5


def test_an_older_consumer_gets_todays_champion_or_a_refusal_by_name(
    versions: tuple[str, str], run: Command
) -> None:
    asked = run("recommend", "--user", "7", "-k", "5", before=True)
    if asked.code == 0:
        assert asked.document["version"] == versions[1]
        today = run("recommend", "--user", "7", "-k", "5")
        assert titles(asked) == titles(today)
    else:
        assert asked.code == 3
        assert versions[1] in asked.said


def test_a_rollback_gives_the_older_consumer_its_own_version_again(
    versions: tuple[str, str], run: Command
) -> None:
    moved = run("rollback", "--reason", "the consumers are a version behind")
    assert moved.code == 0, moved.said
    asked = run("recommend", "--user", "7", "-k", "5", before=True)
    assert (asked.code, asked.document["version"]) == (0, versions[0]), asked.said


def titles(asked: Ended) -> list[str]:
    return [item["title"] for item in asked.document["items"]]


def revision(services: dict[str, str]) -> str:
    """The schema's revision, the first four characters of its name."""
    [(found,)] = rows(services, "select version_num from aged.schema_version")
    return str(found)[:4]


def rows(services: dict[str, str], query: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(services["RECSYS_DB_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        found = cursor.fetchall()
    connection.close()
    return found
