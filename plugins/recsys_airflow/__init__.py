"""Airflow's side of the recommender: connections and conf become ``Steps``, errors become states.

``step`` wraps a task, ``steps`` gives its work, ``bucket`` and ``database`` what it works on, ``settings_form`` makes the trigger form. Nothing
heavy is imported when Airflow parses this.
"""

from recsys_airflow.bridge import step
from recsys_airflow.champion import CHAMPION
from recsys_airflow.run_context import bucket, database, steps, steps_that_promote
from recsys_airflow.settings_form import settings_form

__all__ = ["CHAMPION", "bucket", "database", "settings_form", "step", "steps", "steps_that_promote"]
