"""Airflow with a home of its own, so that a test reads no configuration of this machine."""

import os
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[2]

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="recsys-airflow-home-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(PROJECT / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(PROJECT / "plugins")
sys.path[:0] = [str(PROJECT / "plugins"), str(PROJECT / "dags")]
