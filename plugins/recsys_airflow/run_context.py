"""The steps of the run whose task is executing now, over the two connections that Airflow holds."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import Connection, get_current_context

from recsys_airflow.bridge import FAILURE
from recsys_airflow.links import report_links
from recsys_airflow.nights import is_backfill, known_to, leave_champion_alone
from recsys_airflow.scope import dataset_of_dag, dataset_of_run, of_another, scope_of_dag
from recsys_airflow.settings_form import settings_of
from recsys_tasks.errors import SettingsError

if TYPE_CHECKING:
    from recsys_tasks.artifacts.object_store import ObjectStore
    from recsys_tasks.config.settings import Settings
    from recsys_tasks.data.db.postgres import Database
    from recsys_tasks.pipeline.run import Run
    from recsys_tasks.pipeline.steps import Steps

CHATTY = ("alembic", "matplotlib")
"""Libraries whose lines at INFO a reader of a task's log cannot act on."""


def steps() -> "Steps":
    """``Steps`` for the current task's run: its settings from the conf, its version from the run."""
    from recsys_tasks.data.sources.source_policy import SourcePolicy
    from recsys_tasks.pipeline.steps import Steps
    from recsys_tasks.pipeline.tuning import with_tuned

    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    run, store = current_run(), bucket()
    dag_run = get_current_context()["dag_run"]
    settings = known_to(dag_run, with_tuned(settings_of_run(dag_run), store, run))
    policy, past = SourcePolicy.of_deployer(), is_backfill(dag_run)
    return Steps(settings, run, database(), store, log_group, policy, past)


def steps_that_promote() -> "Steps":
    """``Steps`` as above; a backfill's task is skipped here, so that its run wakes nobody."""
    made = steps()
    leave_champion_alone(made.settings, get_current_context()["dag_run"])
    return made


def settings_of_run(dag_run: Any) -> "Settings":
    """The settings that a run asks for, over those of its DAG's file.

    Raises:
        SettingsError: its conf or its file is refused.
    """
    return settings_of(dag_run.conf, scope_of_dag(dag_run.dag_id))


def dataset() -> str:
    """The dataset of the current task's run: its DAG's, else the one of its form.

    Raises:
        SettingsError: the run's conf names another one than its DAG's.
    """
    context = get_current_context()
    own, chosen = dataset_of_dag(context["dag_run"].dag_id), context["params"].get("dataset")
    if own and chosen not in (None, own):
        raise of_another(own, chosen)
    return str(own or chosen)


def current_run() -> "Run":
    """The names of the current task's run."""
    from recsys_tasks.pipeline.run import Run

    dag_run = get_current_context()["dag_run"]
    name = dataset_of_run(dag_run.dag_id, dag_run.conf)
    return Run(name, dag_run.dag_id, dag_run.run_id, dag_run.run_after)


def write_report() -> dict[str, Any]:
    """Writes the current run's report, also of one whose conf is refused; returns what it came to."""
    from recsys_tasks.pipeline import outcome
    from recsys_tasks.pipeline.run import RunFiles

    try:
        made = steps()
    except SettingsError as error:
        run, conf = current_run(), get_current_context()["dag_run"].conf or {}
        facts = outcome.report_of_refusal(run, conf, str(error))
        return outcome.write_report(RunFiles(bucket(), run), facts, report_links)
    return made.report(failure_left_by, report_links)


def failure_left_by(task_id: str) -> str | None:
    """The sentence with which a task of the current run failed, or one of its shards, where it left one."""
    pulled = get_current_context()["ti"].xcom_pull(task_ids=task_id, key=FAILURE)
    every = [pulled] if isinstance(pulled, str) else list(pulled or ())
    return next((str(sentence) for sentence in every if sentence), None)


def database() -> "Database":
    """The Postgres of the connection ``recsys_db``; its extra holds parameters of libpq, such as sslmode."""
    from recsys_tasks.data.db.addresses import url_of
    from recsys_tasks.data.db.postgres import Database

    found = Connection.get("recsys_db")
    return Database(
        url_of(
            *(found.login, found.password, found.host, found.port, found.schema),
            parameters=found.extra_dejson,
        )
    )


def bucket() -> "ObjectStore":
    """The bucket of the connection ``recsys_s3``: bucket, endpoint, region and role in its extra."""
    from recsys_tasks.artifacts.object_store import ObjectStore
    from recsys_tasks.config.connections import StoreAccess

    found = Connection.get("recsys_s3")
    return ObjectStore(StoreAccess.of_connection(found.login, found.password, found.extra_dejson))


@contextmanager
def log_group(title: str) -> Iterator[None]:
    """Folds what is logged inside, in Airflow's log view."""
    print(f"::group::{title}")
    try:
        yield
    finally:
        print("::endgroup::")
