"""Checks ``RECSYS_PLACEMENT``: a misspelt task name becomes an import error of this file alone.

A task of another name would go to whichever worker is free, and nobody would see why. The error stands
in this file, so that the DAGs themselves go on as if the name were not there.
"""

from pathlib import Path

from recsys_airflow.placement import check_names

check_names(Path(__file__).parent)
