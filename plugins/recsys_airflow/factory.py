"""Makes the DAGs: a DAG file of two lines is enough.

    from recsys_airflow.factory import make_dags
    make_dags()

Without ``RECSYS_SETTINGS_DIR`` these are ``recsys_train`` and its companions. With it, each ``*.toml`` of that
folder has ``recsys_train_<dataset>`` and companions of its own. A broken file takes no other's DAGs with it:
``check_settings``, in another DAG file, shows it as an import error. ``make_dags(dataset="shop")`` makes the
DAGs of one dataset, and fails if its settings are refused.
"""

import logging
from collections.abc import Callable, Iterable

from airflow.sdk import DAG, get_parsing_context

from recsys_airflow.flows import batch, retention, train, tune
from recsys_airflow.schedules import checked, usable
from recsys_airflow.scope import KINDS, Scope, dataset_of_dag, only_scope
from recsys_tasks.config.dataset_files import dataset_files, settings_folder
from recsys_tasks.errors import SettingsError

log = logging.getLogger(__name__)

MAKERS: dict[str, Callable[[Scope], DAG]] = dict(
    zip(KINDS, (train.make, tune.make, batch.make, retention.make), strict=True)
)


def make_dags(*kinds: str, dataset: str | None = None) -> dict[str, DAG]:
    """The DAGs by their ids; Airflow finds them in the file that calls this.

    Args:
        kinds: some of ``KINDS``; none: all.
        dataset: one dataset of ``RECSYS_SETTINGS_DIR``; None: all of them.

    Raises:
        SettingsError: settings are refused: those of ``RECSYS_SETTINGS``, or of the one dataset.
    """
    scopes = _scopes() if dataset is None else [_one_scope(dataset)]
    made = [MAKERS[kind](scope) for scope in scopes for kind in kinds or KINDS]
    return {dag.dag_id: dag for dag in made}


def check_settings() -> None:
    """Refuses a folder of settings files of which some are broken; for a DAG file of its own.

    Raises:
        SettingsError: says file, field and reason of each.
    """
    folder = settings_folder()
    if folder is None:
        return
    if broken := usable(folder)[1]:
        raise SettingsError("\n".join(map(str, broken)))


def _scopes() -> Iterable[Scope]:
    """Every scope; only that of the task's DAG where a task's process reads the file."""
    folder, running = settings_folder(), get_parsing_context().dag_id
    if folder is None:
        return [only_scope()]
    scopes, broken = usable(folder)
    if running is None:
        for error in broken:
            log.error("no DAG of %s", error)
        return scopes
    return [scope for scope in scopes if scope.dataset == dataset_of_dag(running)]


def _one_scope(dataset: str) -> Scope:
    folder = settings_folder()
    if folder is None:
        raise SettingsError(f"the dataset {dataset} has no DAG: RECSYS_SETTINGS_DIR is not set")
    return checked(dataset_files(folder).of_dataset(dataset))
