"""Registers the listener that writes a note on each run that ends; see ``recsys_airflow.run_notes``.

And from when on a run's lateness counts; see ``recsys_airflow.deadline``.

Airflow runs this file in every process that may need a plugin, so the work is imported when a run ends.
"""

from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from recsys_airflow.deadline import RunIsMade


class NoteWriter:
    """Called by the scheduler with each run that ends, in the transaction that ends it."""

    @hookimpl
    def on_dag_run_success(self, dag_run: Any) -> None:
        """Notes what a run came to."""
        from recsys_airflow.run_notes import write_note

        write_note(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any) -> None:
        """Notes why a run was rejected or failed."""
        from recsys_airflow.run_notes import write_note

        write_note(dag_run)


class RunNotes(AirflowPlugin):
    """What Airflow registers."""

    name = "recommender_notes"
    listeners: list[Any] = [NoteWriter()]  # noqa: RUF012  # as Airflow's base class declares it
    deadline_references: list[Any] = [RunIsMade]  # noqa: RUF012
