"""The time after which a run counts as late; ``recsys_airflow.plugin`` registers it with Airflow."""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseDeadlineReference, deadline_reference


@deadline_reference
class RunIsMade(BaseDeadlineReference):
    """The moment in which a run is made, and queued with that.

    Not Airflow's ``DAGRUN_QUEUED_AT``: since 3.3.0 no task of a run with that one can be cleared
    (apache/airflow#70368). This one stays where it is when a run is cleared.
    """

    def _evaluate_with(self, **_: Any) -> datetime:
        """Airflow asks once, when it makes a run."""
        return datetime.now(UTC)
