"""Verdict and version as the note of a DAG run, which Airflow shows on the run's page.

A task cannot write its run's note: Airflow's API for tasks has no call for it. The scheduler can, in
the transaction in which it ends the run, from what the run's last task returned; so this reads one
row of Airflow's database and nothing else.
"""

from collections.abc import Mapping
from typing import Any

from airflow.models.dagrun import DagRun, DagRunNote
from airflow.models.xcom import XComModel
from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from recsys_airflow.scope import is_training
from recsys_tasks.report.headline import headline

TASK_ID = "report"

AUTHOR = "recsys"
"""Whose the notes are; a note by anybody else stays."""

LONGEST = 1000
"""Characters that Airflow keeps of a note."""


def write_note(dag_run: DagRun) -> None:
    """Leaves the note of a run of a DAG that trains, which has just ended."""
    session = object_session(dag_run)
    if session is None or not is_training(dag_run.dag_id):
        return
    written = _written(session, dag_run)
    if written is not None:
        dag_run.dag_run_note = replaced(dag_run.dag_run_note, note_of(written))


def replaced(note: DagRunNote | None, said: str) -> DagRunNote:
    """The note that a run then has: a person's stays, an own one of an earlier try is brought up to date."""
    if note is None:
        return DagRunNote(said, AUTHOR)  # type: ignore[no-untyped-call]  # Airflow's
    if note.user_id == AUTHOR:
        note.content = said
    return note


def note_of(written: Mapping[str, Any]) -> str:
    """The sentence on what the run came to, the reason first; then version, number and every reason.

    Args:
        written: what ``Steps.report`` returned.
    """
    said = f"{headline(written)}\n\nVersion {written['version']}"
    precision = written["metrics"].get("precision_at_5")
    popular = written["metrics"].get("popular_precision_at_5")
    if precision is not None:
        said += f", precision@5 {precision:.3g}"
        said += f" (popular list {popular:.3g})" if popular is not None else ""
    said += f"\n\n{written['reason']}" if written["reason"] else ""
    return said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"


def _written(session: Session, dag_run: DagRun) -> Mapping[str, Any] | None:
    wanted = select(XComModel.value).where(
        XComModel.dag_id == dag_run.dag_id,
        XComModel.run_id == dag_run.run_id,
        XComModel.task_id == TASK_ID,
        XComModel.key == "return_value",
    )
    row = session.execute(wanted).first()
    return None if row is None else XComModel.deserialize_value(row)
