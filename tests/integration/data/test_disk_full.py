"""A disk that fills up in the middle of a load, for real: a database on a small tmpfs."""

import csv
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.devstack.folders import database_user
from recsys_tasks.devstack.postgres import drop_database
from recsys_tasks.errors import DatabaseUnavailable

pytestmark = pytest.mark.services
SMALL, LARGE = "20m", "80m"


@pytest.fixture
def small_disk(service_home: Path) -> Iterator[Path]:
    """A mounted tmpfs that belongs to the database's account."""
    folder = service_home / f"disk-{secrets.token_hex(4)}"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("NOT TESTED: a full disk, for this account may not mount a tmpfs")
    user = database_user()
    if user:
        shutil.chown(folder, user)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def database(small_disk: Path, postgres_url: str) -> Iterator[Database]:
    """A migrated database whose tables lie on the small disk; the log of writes lies elsewhere."""
    name = f"full_{secrets.token_hex(4)}"
    admin = psycopg2.connect(postgres_url)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE TABLESPACE {name} LOCATION '{small_disk}'")
        cursor.execute(f"CREATE DATABASE {name} TABLESPACE {name}")
        made = Database(postgres_url.rpartition("/")[0] + f"/{name}")
        made.migrate("mls")
        yield made
        drop_database(postgres_url, name)
        cursor.execute(f"DROP TABLESPACE {name}")
    admin.close()


def write(folder: Path, users: int) -> SourceSettings:
    """A snapshot: a hundred movies, each rated by each user."""
    with (folder / "movies.csv").open("w", newline="") as file:
        movies = [(movie, f"Movie {movie}", "Drama") for movie in range(1, 101)]
        csv.writer(file).writerows([("movieId", "title", "genres"), *movies])
    with (folder / "ratings.csv").open("w", newline="") as file:
        pairs = [(user, movie) for user in range(1, users + 1) for movie in range(1, 101)]
        rows = [(*pair, 4.0, 1_000_000_000) for pair in pairs]
        csv.writer(file).writerows([("userId", "movieId", "rating", "timestamp"), *rows])
    paths = {role: str(folder / f"{role}.csv") for role in ("movies", "ratings")}
    return SourceSettings(movies=paths["movies"], ratings=paths["ratings"], replace=True)


def test_a_full_disk_keeps_the_old_rows_says_so_and_a_rerun_with_room_succeeds(
    database: Database, small_disk: Path, tmp_path: Path
) -> None:
    ingest(database, write(tmp_path, 20), "mls", "test")
    large = write(tmp_path, 3000)
    with pytest.raises(DatabaseUnavailable, match=r"No space left on device HINT: Check free"):
        ingest(database, large, "mls", "test")
    assert len(database.read_ratings("mls")) == 2000
    subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(small_disk)], check=True)
    assert ingest(database, large, "mls", "test").files[1].loaded == 300_000
    assert len(database.read_ratings("mls")) == 300_000
