"""A search for training settings, a mapped task a trial, judged on the validation part only.

Started by hand. It prepares the data as `recsys_train` does, tries a bounded grid or random
search, and writes the best settings to the bucket; a run with `train.tuned` takes them. Trials run one
at a time, or as many side by side as `RECSYS_TRIALS_AT_ONCE` says, where there are workers for them.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, chain

from recsys_airflow.bridge import step
from recsys_airflow.parallelism import trials_at_once
from recsys_airflow.run_context import steps
from recsys_airflow.schedules import options_of
from recsys_airflow.scope import Scope
from recsys_airflow.settings_form import settings_form


def make(scope: Scope) -> DAG:
    """The DAG that searches settings for the datasets of a scope."""
    with DAG(
        schedule=None,
        params=settings_form(scope, with_tune=True),
        default_args={
            "owner": scope.dag.owner,
            "retries": 2,
            "retry_delay": timedelta(seconds=20),
        },
        description="A search for training settings, judged on the validation part.",
        **options_of(scope, "tune", "search for settings", __doc__),
    ) as made:
        _tasks()
    return made


def _tasks() -> None:
    """Four steps of the nightly run, then propose, try, choose."""

    @step(minutes=10)
    def migrate() -> Any:
        """Bring the dataset's schema in Postgres up to date."""
        return steps().migrate()

    @step(minutes=180)
    def ingest() -> Any:
        """Load the files that the settings name, if they name any."""
        return steps().ingest()

    @step(minutes=60)
    def fit_dataset() -> Any:
        """Turn the rows into id maps, interactions and item features."""
        return steps().fit_dataset()

    @step(minutes=30)
    def split() -> Any:
        """Divide the interactions; the search is judged on the validation part."""
        return steps().split()

    @step(minutes=5)
    def propose() -> Any:
        """List the settings to try."""
        from recsys_tasks.pipeline import tuning

        return tuning.propose(steps())

    @step(minutes=360, max_active_tis_per_dag=trials_at_once())
    def attempt(overrides: dict[str, Any]) -> Any:
        """Fit with one set of settings and score it on the validation part."""
        from recsys_tasks.pipeline import tuning

        return tuning.attempt(steps(), overrides)

    @step(minutes=10)
    def choose(tried: Iterable[Any]) -> Any:
        """Write the best settings where runs with train.tuned find them."""
        from recsys_tasks.pipeline import tuning

        return tuning.choose(steps(), list(tried))

    proposed = propose()
    chain(migrate(), ingest(), fit_dataset(), split(), proposed)
    choose(attempt.expand(overrides=proposed))
