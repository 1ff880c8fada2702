"""Airflow's side of the recommender: connections and conf become ``Steps``, errors become states.

``step`` wraps a task, ``steps`` gives its work, ``bucket`` and ``database`` what it works on, ``settings_form`` makes the trigger form. Nothing
heavy is imported when Airflow parses this.
"""

from recsys_airflow.bridge import step
from recsys_airflow.run_context import bucket, database, dataset, steps, steps_that_promote
from recsys_airflow.scope import champion_of
from recsys_airflow.settings_form import settings_form

CHAMPION = champion_of()
"""The asset of a deployment without ``RECSYS_SETTINGS_DIR``."""

__all__ = [
    "CHAMPION",
    "bucket",
    "champion_of",
    "database",
    "dataset",
    "settings_form",
    "step",
    "steps",
    "steps_that_promote",
]
