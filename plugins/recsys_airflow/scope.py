"""Which dataset a DAG is for: any that a run names, or one of those in ``RECSYS_SETTINGS_DIR``."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow.sdk import Asset

from recsys_tasks.artifacts import keys
from recsys_tasks.config.dataset_files import (
    DagSettings,
    DatasetFile,
    dag_settings,
    dataset_files,
    settings_folder,
)
from recsys_tasks.config.settings import Settings, settings_file
from recsys_tasks.errors import SettingsError

KINDS = ("train", "tune", "batch", "retention")
"""Of DAGs: ``recsys_train``, or ``recsys_train_<dataset>`` for each dataset."""

NIGHTLY = "0 3 * * *"


@dataclass(frozen=True)
class Scope:
    """The datasets that a DAG may work on, and the file that holds their settings.

    Args:
        dataset: the one dataset; None: a run's conf names it.
        file: TOML with the settings; None: the defaults.
        dag: schedule, owner and tags.
    """

    dataset: str | None
    file: Path | None
    dag: DagSettings

    def dag_id(self, kind: str) -> str:
        """The id of this scope's DAG of a kind."""
        return f"recsys_{kind}_{self.dataset}" if self.dataset else f"recsys_{kind}"

    @property
    def champion(self) -> Asset:
        """What a promotion updates."""
        return champion_of(self.dataset)

    def default_dataset(self) -> str:
        """The dataset of a run whose conf names none.

        Raises:
            SettingsError: the file's is no dataset's name.
        """
        return self.dataset or Settings.dataset_in(self.file)


def champion_of(dataset: str | None = None) -> Asset:
    """The asset that a promotion updates and that consumers' DAGs wait for.

    Args:
        dataset: one of ``RECSYS_SETTINGS_DIR``; None: the one asset of a deployment without that folder.

    Its event's extra holds dataset, version, manifest key, sha256 and metrics.
    """
    if dataset is None:
        return Asset(name="recsys_champion", uri="recsys://champion")
    return Asset(name=f"recsys_champion/{dataset}", uri=f"recsys://champion/{dataset}")


def only_scope() -> Scope:
    """The scope of a deployment without ``RECSYS_SETTINGS_DIR``.

    Raises:
        SettingsError: the table ``[dag]`` of the file that ``RECSYS_SETTINGS`` names is refused.
    """
    file = settings_file()
    return Scope(None, file, (dag_settings(file) if file else None) or _nightly())


def scope_of(file: DatasetFile) -> Scope:
    """The scope of one dataset."""
    return Scope(file.dataset, file.path, file.dag or _nightly())


def scope_of_dag(dag_id: str) -> Scope:
    """The scope of a DAG, by its id.

    Raises:
        SettingsError: its settings file is gone or broken since the DAG was made.
    """
    folder, dataset = settings_folder(), dataset_of_dag(dag_id)
    if folder is None or dataset is None:
        return only_scope()
    return scope_of(dataset_files(folder).of_dataset(dataset))


def dataset_of_dag(dag_id: str) -> str | None:
    """The one dataset that a DAG is for; None: a run's conf names it."""
    found = re.fullmatch(rf"recsys_(?:{'|'.join(KINDS)})_(.+)", dag_id)
    is_one = found and settings_folder() and keys.is_dataset(found[1])
    return found[1] if found and is_one else None


def dataset_of_run(dag_id: str, conf: Mapping[str, Any] | None) -> str:
    """The dataset of a run: its DAG's, else the one that its conf names, else the default one.

    Known also of a run whose conf is refused.
    """
    if dataset := dataset_of_dag(dag_id):
        return dataset
    named = (conf or {}).get("dataset")
    fits = isinstance(named, str) and keys.is_dataset(named)
    return named if named and fits else only_scope().default_dataset()


def of_another(own: str, named: object) -> SettingsError:
    """What is said of a conf that names another dataset than its DAG's."""
    return SettingsError(f"dataset: this DAG is for {own}, not for {named}")


def is_training(dag_id: str) -> bool:
    """Whether a DAG is the one that trains, or one dataset's."""
    return dag_id == training_dag(dataset_of_dag(dag_id))


def training_dag(dataset: str | None) -> str:
    """Id of the DAG that trains a dataset; the rights to it are the rights to its versions."""
    return f"recsys_train_{dataset}" if dataset and settings_folder() else "recsys_train"


def training_dags() -> list[str]:
    """Ids of all DAGs that train; at least one."""
    folder = settings_folder()
    read = dataset_files(folder).read if folder else ()
    return [training_dag(file.dataset) for file in read] or [training_dag(None)]


def _nightly() -> DagSettings:
    return DagSettings(cron=os.environ.get("RECSYS_SCHEDULE", NIGHTLY))
