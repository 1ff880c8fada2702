"""Airflow's approval, which says who rejected, or that nobody answered, where the report looks for it."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.exceptions import HITLRejectException, HITLTimeoutError
from airflow.providers.standard.operators.hitl import ApprovalOperator

from recsys_airflow.bridge import FAILURE
from recsys_airflow.nights import leave_champion_alone
from recsys_airflow.run_context import bucket, current_run, settings_of_run

if TYPE_CHECKING:
    from recsys_tasks.pipeline.run import Run


class TellingApproval(ApprovalOperator):
    """Leaves the reason with Airflow when it fails."""

    def execute(self, context: Any) -> Any:
        """Asks a person, unless the run may not promote anyway."""
        dag_run = context["dag_run"]
        leave_champion_alone(settings_of_run(dag_run), dag_run)
        self.body = f"{what_changes(current_run())}\n\n{self.body or ''}"
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Called with the answer, or with the end of the waiting."""
        try:
            return super().execute_complete(context, event)
        except HITLRejectException:
            self._leave(context, f"rejected by {_name(event)}")
            raise
        except HITLTimeoutError:
            self._leave(context, f"nobody answered within {_hours(self.response_timeout)} hours")
            raise

    def _leave(self, context: Any, reason: str) -> None:
        sentence = f"{reason}; the version stays published and the champion stays where it was"
        context["ti"].xcom_push(FAILURE, sentence)


def what_changes(run: "Run") -> str:
    """What giving a run's version to consumers does to whom, in two or three sentences."""
    from recsys_airflow.pages.comparing import compared
    from recsys_tasks.artifacts.pointer import read_pointer

    champion = read_pointer(bucket(), run.dataset)
    found = compared(run.dataset, champion.version if champion else None, run.version)
    return found.summary or found.problem


def _hours(waited: timedelta | None) -> str:
    return f"{(waited or timedelta()).total_seconds() / 3600:g}"


def _name(event: dict[str, Any]) -> str:
    """Who answered, as Airflow names them."""
    who = event.get("responded_by_user") or {}
    return str(who.get("name") or who.get("id") or "a person")
