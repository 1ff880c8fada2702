"""What a run may know, by the night that it is for, and what it may change."""

from datetime import UTC
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from recsys_tasks.config.settings import Settings

OF_A_NIGHT = ("scheduled", "backfill", "asset_triggered")
"""Types of runs that have a moment of their own; one that a person starts reads everything."""


def known_to(dag_run: Any, settings: Settings) -> Settings:
    """The settings, with the moment up to which the run knows anything, unless they name one.

    A backfill knows what was rated and loaded up to the end of its data interval; a scheduled run, or
    one that an asset started, what was rated by then, its own load included. Where a run has no data
    interval, its ``run_after`` counts.
    """
    moment = dag_run.data_interval_end or dag_run.run_after
    named = settings.positives.as_of or settings.positives.rated_until
    if named or kind_of(dag_run) not in OF_A_NIGHT:
        return settings
    field = "as_of" if is_backfill(dag_run) else "rated_until"
    positives = settings.positives.model_copy(update={field: moment.astimezone(UTC).isoformat()})
    return settings.model_copy(update={"positives": positives})


def kind_of(dag_run: Any) -> str:
    """The run's type, as Airflow writes it."""
    return str(getattr(dag_run.run_type, "value", dag_run.run_type))


def is_backfill(dag_run: Any) -> bool:
    """Whether the run makes up for a night of the past."""
    return kind_of(dag_run) == "backfill"


def leave_champion_alone(settings: Settings, dag_run: Any) -> None:
    """Ends the task as skipped where the run may not promote: no event of the asset, nobody is asked.

    Raises:
        AirflowSkipException: it is a backfill that was not asked to promote.
    """
    if is_backfill(dag_run) and not settings.publish.backfill_promotes:
        from recsys_tasks.pipeline.steps import LEFT_ALONE

        raise AirflowSkipException(LEFT_ALONE)
