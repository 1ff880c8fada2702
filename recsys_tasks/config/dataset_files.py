"""Settings files of many datasets: each ``*.toml`` of the folder ``RECSYS_SETTINGS_DIR`` is one dataset.

A file holds settings as that of ``RECSYS_SETTINGS`` does, names its ``dataset``, and may have a table
``[dag]`` that says when its DAG runs and whose it is.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator

from recsys_tasks.config.settings import Frozen, Settings
from recsys_tasks.config.settings.layers import DAG_TABLE, read_toml
from recsys_tasks.config.settings.refusals import explain
from recsys_tasks.errors import SettingsError

FOLDER = "RECSYS_SETTINGS_DIR"


class DagSettings(Frozen):
    """When the DAG of a dataset runs, and whose it is."""

    cron: str = ""
    """Five fields of cron; empty: no run by the clock."""

    timezone: str = "UTC"
    """Zone that the cron fields are read in, such as Europe/Berlin."""

    assets: tuple[str, ...] = ()
    """Names or URIs of Airflow's assets; a run starts when all of them have been updated."""

    owner: str = Field(default="recsys", min_length=1)
    """Owner that Airflow shows."""

    tags: tuple[str, ...] = ()
    """Tags beside `recsys` and the dataset's name."""

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):  # the last one is: not found
            raise ValueError(f"{name!r} is no time zone such as Europe/Berlin") from None
        return name

    @field_validator("assets", "tags")
    @classmethod
    def _has_no_blank(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() for name in names):
            raise ValueError("holds an empty name")
        return names


@dataclass(frozen=True)
class DatasetFile:
    """One file that was read; ``dag`` is None where it has no table ``[dag]``."""

    path: Path
    dataset: str
    dag: DagSettings | None


@dataclass(frozen=True)
class DatasetFiles:
    """What a folder holds: the files that were read, by name, and an error for each of the others."""

    read: tuple[DatasetFile, ...]
    broken: tuple[SettingsError, ...]

    def of_dataset(self, dataset: str) -> DatasetFile:
        """The file of a dataset.

        Raises:
            SettingsError: no file that could be read is for it; says what is wrong with the others.
        """
        found = next((one for one in self.read if one.dataset == dataset), None)
        if found is None:
            why = "".join(f"; {error}" for error in self.broken)
            raise SettingsError(f"no file of {FOLDER} is for the dataset {dataset}{why}")
        return found


def settings_folder(environ: Mapping[str, str] | None = None) -> Path | None:
    """The folder that ``RECSYS_SETTINGS_DIR`` names; None: one dataset, and ``RECSYS_SETTINGS``."""
    path = (os.environ if environ is None else environ).get(FOLDER)
    return Path(path) if path else None


def dataset_files(folder: Path) -> DatasetFiles:
    """Every ``*.toml`` of a folder, by name. Of two files for one dataset, the second one is an error.

    Raises:
        SettingsError: there is no such folder.
    """
    if not folder.is_dir():
        raise SettingsError(f"{FOLDER}: {folder} is no folder")
    read: dict[str, DatasetFile] = {}
    broken = []
    for path in sorted(folder.glob("*.toml")):
        try:
            file = read_dataset_file(path)
            if file.dataset in read:
                other = read[file.dataset].path.name
                raise SettingsError(f"{path.name}: dataset: {file.dataset} is that of {other} too")
            read[file.dataset] = file
        except SettingsError as error:
            broken.append(error)
    return DatasetFiles(tuple(read.values()), tuple(broken))


def read_dataset_file(path: Path) -> DatasetFile:
    """One file, every setting of it checked.

    Raises:
        SettingsError: it cannot be read, names no dataset, or a setting is refused; says file, field
            and reason.
    """
    try:
        if "dataset" not in read_toml(path):
            raise SettingsError(f'dataset: is missing, as in dataset = "{path.stem}"')
        return DatasetFile(path, Settings.load(file=path).dataset, dag_settings(path))
    except SettingsError as error:
        said = str(error).removeprefix(f"{path}: ")
        raise SettingsError(f"{path.name}: {said}") from None


def dag_settings(path: Path) -> DagSettings | None:
    """What a file's table ``[dag]`` says; None: it has none.

    Raises:
        SettingsError: the file cannot be read, or a field of the table is refused.
    """
    table = read_toml(path).get(DAG_TABLE)
    try:
        return None if table is None else DagSettings.model_validate(table)
    except ValidationError as error:
        said = explain(error, tuple(DagSettings.model_fields))
        raise SettingsError(f"[{DAG_TABLE}] {said}") from None
