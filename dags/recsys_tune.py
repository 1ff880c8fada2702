"""A search for training settings, a mapped task a trial, judged on the validation part only.

Started by hand. It prepares the data as `recsys_train` does, tries a bounded grid or random
search, and writes the best settings to the bucket; a run with `train.tuned` takes them. Trials run one
at a time, or as many side by side as `RECSYS_TRIALS_AT_ONCE` says, where there are workers for them.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from airflow.sdk import chain, dag

from recsys_airflow import settings_form, step, steps
from recsys_airflow.parallelism import trials_at_once


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    params=settings_form(with_tune=True),
    default_args={"owner": "recsys", "retries": 2, "retry_delay": timedelta(seconds=20)},
    dag_display_name="recsys_tune: search for settings",
    description="A search for training settings, judged on the validation part.",
    tags=["recsys"],
    doc_md=__doc__,
)
def recsys_tune() -> None:
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


recsys_tune()
