"""What ``recsys doctor`` says of the variables that the DAGs read, where they are set."""

import os
from collections.abc import Iterator
from pathlib import Path

from recsys_tasks.config.dataset_files import FOLDER, DatasetFiles, dataset_files, settings_folder
from recsys_tasks.devstack.finding import Finding
from recsys_tasks.errors import SettingsError
from recsys_tasks.pipeline.task_names import PLACEMENT, misplaced


def check_placement(dags: Path) -> Iterator[Finding]:
    """Where it is set: whether ``RECSYS_PLACEMENT`` names tasks that exist."""
    placement = os.environ.get(PLACEMENT)
    if not placement:
        return
    try:
        problem = misplaced(placement, dags)
    except ValueError:
        problem = "it is not JSON"
    advice = "docs/workers.md shows one" if problem else ""
    yield Finding(PLACEMENT, "warning" if problem else "ok", problem or placement, advice)


def check_settings_files() -> Iterator[Finding]:
    """Where it is set: which datasets ``RECSYS_SETTINGS_DIR`` has, and which of its files are broken."""
    folder = settings_folder()
    if folder is None:
        return
    try:
        found = dataset_files(folder)
    except SettingsError as error:
        yield Finding(FOLDER, "missing", str(error), "name a folder of TOML files")
        return
    yield _datasets(found)
    for broken in found.broken:
        yield Finding(FOLDER, "warning", str(broken), "mend the file: its dataset has no DAG")


def _datasets(found: DatasetFiles) -> Finding:
    if not found.read:
        return Finding(FOLDER, "warning", "no file can be read", "docs/datasets.md shows one")
    return Finding(FOLDER, "ok", "DAGs of " + ", ".join(file.dataset for file in found.read))
