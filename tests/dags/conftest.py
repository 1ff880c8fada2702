"""Airflow with a home of its own, so that a test reads no configuration of this machine."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

HOME = tempfile.TemporaryDirectory(prefix="recsys-airflow-home-")
"""Gone when the process ends."""

os.environ["AIRFLOW_HOME"] = HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(PROJECT / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(PROJECT / "plugins")
sys.path[:0] = [str(PROJECT / "plugins"), str(PROJECT / "dags")]


@pytest.fixture(scope="session")
def project() -> Path:
    """Folder of the checkout."""
    return PROJECT
