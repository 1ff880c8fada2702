"""Airflow with a home of its own, so that a test reads no configuration of this machine."""

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

HOME = tempfile.TemporaryDirectory(prefix="recsys-airflow-home-")
"""Gone when the process ends."""

os.environ["AIRFLOW_HOME"] = HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(PROJECT / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(PROJECT / "plugins")
SOURCES = (tempfile.gettempdir(), PROJECT / "tests" / "data")  # where tests have their files
sys.path[:0] = [str(PROJECT / "plugins"), str(PROJECT / "dags")]


@pytest.fixture(scope="module", autouse=True)
def source_folders() -> Iterator[None]:
    """Lets runs read the tests' files; undone afterwards, for a stack has defaults of its own."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RECSYS_SOURCE_FOLDERS", os.pathsep.join(map(str, SOURCES)))
        yield


@pytest.fixture(scope="session")
def project() -> Path:
    """Folder of the checkout."""
    return PROJECT


@pytest.fixture(scope="session")
def metadata() -> Path:
    """Airflow's metadata database in this process's home, made once; an empty copy beside it."""
    from airflow.utils.db import initdb

    initdb()
    copy = Path(HOME.name) / "empty.db"
    with sqlite3.connect(Path(HOME.name) / "airflow.db") as made, sqlite3.connect(copy) as empty:
        made.backup(empty)  # what is still in the write-ahead log too
    return copy


@pytest.fixture(scope="session")
def make_home(
    metadata: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], dict[str, str]]:
    """Makes a home with an empty metadata database, for Airflow in another process; its variables."""

    def make() -> dict[str, str]:
        home = tmp_path_factory.mktemp("airflow")
        shutil.copy(metadata, home / "airflow.db")
        return {"AIRFLOW_HOME": str(home)}

    return make
