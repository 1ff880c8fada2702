"""Weekly clean-up of old versions, of runs' files, of batches and of task logs.

A version goes when it is not among the newest ones, older than the days that are kept, and named by no
channel: never the champion, its predecessor, or what the pointer named within those days. Tick dry_run to be
told what would go. The connection's keys need the right to delete; docs/operations.md says where.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, get_current_context

from recsys_airflow.bridge import step
from recsys_airflow.run_context import bucket, database, dataset
from recsys_airflow.schedules import options_of
from recsys_airflow.scope import Scope

log = logging.getLogger(__name__)


def make(scope: Scope) -> DAG:
    """The DAG that cleans up after the datasets of a scope."""
    with DAG(
        schedule=CronTriggerTimetable("0 5 * * 0", timezone="UTC"),
        params=_form(scope),
        description="Weekly clean-up of old versions, runs' files, batches and task logs.",
        default_args={"owner": scope.dag.owner},
        **options_of(scope, "retention", "weekly clean-up", __doc__),
    ) as made:
        _tasks()
    return made


def _form(scope: Scope) -> dict[str, Param]:
    default = scope.default_dataset()
    of_any = {"dataset": Param(default, type="string", description="Whose versions are looked at.")}
    return ({} if scope.dataset else of_any) | {
        "keep": Param(
            10,
            type="integer",
            minimum=1,
            description="Newest versions that stay anyway, at least 1.",
        ),
        "older_than_days": Param(
            30,
            type="integer",
            minimum=1,
            description="Nothing younger than this is removed, at least 1.",
        ),
        "dry_run": Param(False, type="boolean", description="Only say what would be removed."),
    }


def _tasks() -> None:
    """Two tasks, neither of which waits for the other."""

    @step(minutes=60)
    def clean_up() -> Any:
        """Remove what may go, and say what; with dry_run only say it."""
        from recsys_tasks.errors import PermanentError
        from recsys_tasks.publish.pointer_move import lock_name
        from recsys_tasks.publish.retention import gc

        wanted = get_current_context()["params"]
        name, older_than = dataset(), timedelta(days=wanted["older_than_days"])
        lock = database().advisory_lock(lock_name(name))
        found = gc(bucket(), lock, name, wanted["keep"], older_than, wanted["dry_run"])
        verb = "would remove" if found.dry_run else "removed"
        for removal in found.removed:
            log.info("%s %s: %s", verb, removal.prefix, removal.reason)
        if complaint := found.complaint():
            raise PermanentError(complaint)
        return {
            "dry_run": found.dry_run,
            "removed": len(found.removed),
            "kept": len(found.kept),
        }

    @step(minutes=60)
    def remove_task_logs() -> Any:
        """Remove the task logs of the same age from the bucket; with dry_run only count them."""
        from recsys_airflow.task_logs import remove_logs

        wanted = get_current_context()["params"]
        before = datetime.now(UTC) - timedelta(days=wanted["older_than_days"])
        return {"logs": remove_logs(bucket(), before, wanted["dry_run"])}

    clean_up()
    remove_task_logs()
