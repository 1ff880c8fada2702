"""Weekly clean-up of old versions, of runs' files and of task logs; a dry run unless told.

Never the champion, its predecessor, or what the pointer named within the time that is kept.
"""

import logging
from datetime import UTC, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context

from recsys_airflow import bucket, database, step

log = logging.getLogger(__name__)


@dag(
    schedule=CronTriggerTimetable("0 5 * * 0", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "dataset": Param("movielens", type="string", description="Whose versions are looked at."),
        "keep": Param(
            10, type="integer", minimum=1, description="Newest versions that stay anyway."
        ),
        "older_than_days": Param(
            30, type="integer", minimum=1, description="Nothing younger than this is removed."
        ),
        "dry_run": Param(True, type="boolean", description="Only say what would be removed."),
    },
    tags=["recsys"],
    doc_md=__doc__,
)
def recsys_retention():
    """One task."""

    @step(minutes=60)
    def clean_up():
        """Say what may go, and remove it if dry_run is off."""
        from recsys_airflow.task_logs import remove_logs
        from recsys_tasks.publish.retention import gc

        wanted = get_current_context()["params"]
        older_than = timedelta(days=wanted["older_than_days"])
        found = gc(
            bucket(),
            database().advisory_lock(f"promote:{wanted['dataset']}"),
            wanted["dataset"],
            keep=wanted["keep"],
            older_than=older_than,
            dry_run=wanted["dry_run"],
        )
        verb = "would remove" if found.dry_run else "removed"
        for removal in found.removed:
            log.info("%s %s: %s", verb, removal.prefix, removal.reason)
        logs = remove_logs(bucket(), datetime.now(UTC) - older_than, wanted["dry_run"])
        log.info("%s %d and %d logs, kept %d", verb, len(found.removed), logs, len(found.kept))
        return {
            "dry_run": found.dry_run,
            "removed": len(found.removed),
            "kept": len(found.kept),
            "logs": logs,
        }

    clean_up()


recsys_retention()
