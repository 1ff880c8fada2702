"""Airflow's side of the recommender: connections and conf become ``Steps``, errors become states.

``step`` wraps a task, ``steps`` gives its work, ``settings_form`` makes the trigger form. Nothing
heavy is imported when Airflow parses this.
"""

from recsys_airflow.bridge import step
from recsys_airflow.current import steps
from recsys_airflow.settings_form import settings_form

__all__ = ["settings_form", "step", "steps"]
