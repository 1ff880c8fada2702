"""Says on Airflow's home page why its triggerer is red there: nothing here waits in one.

Airflow imports this file from its folder ``config``, where the embedded stack and the image put it.
"""

from collections.abc import Iterator
from typing import Any

__all__ = ["DASHBOARD_UIALERTS"]

TEXT = (
    "The triggerer is red because none runs. Nothing of the recommender waits in one: an approval waits in "
    "Airflow's database."
)


class Notes:
    """What the home page says, found anew for each visit; imports nothing before."""

    def __iter__(self) -> Iterator[Any]:
        from airflow.api_fastapi.common.types import UIAlert
        from airflow.jobs.triggerer_job_runner import TriggererJobRunner

        job = TriggererJobRunner.most_recent_job()
        if job is None or not job.is_alive():
            yield UIAlert(text=TEXT, category="info")


DASHBOARD_UIALERTS = Notes()
