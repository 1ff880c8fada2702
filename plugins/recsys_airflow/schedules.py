"""When a DAG runs, whose it is, and what its page says: from the scope's table ``[dag]``."""

from inspect import cleandoc
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, conf
from airflow.sdk.exceptions import AirflowTimetableInvalid

from recsys_airflow.scope import Scope, scope_of
from recsys_tasks.config.dataset_files import DatasetFile, dataset_files
from recsys_tasks.errors import SettingsError


def options_of(scope: Scope, kind: str, title: str, doc: str) -> dict[str, Any]:
    """What every DAG of the project gives to Airflow beside its own.

    Args:
        scope: the datasets that it may work on.
        kind: one of ``scope.KINDS``.
        title: a few words on what it does.
        doc: what its page says.
    """
    dag_id = scope.dag_id(kind)
    return {
        "dag_id": dag_id,
        "catchup": False,
        "max_active_runs": 1,
        "dag_display_name": f"{dag_id}: {title}",
        "tags": ["recsys", *([scope.dataset] if scope.dataset else []), *scope.dag.tags],
        "doc_md": f"{cleandoc(doc)}\n{_links(scope)}",
    }


def schedule_of(scope: Scope) -> Any:
    """By the clock, by assets, by either, or by hand.

    Raises:
        SettingsError: the cron expression means nothing to Airflow.
    """
    by_clock = _by_clock(scope) if scope.dag.cron else None
    assets = [_named(asset) for asset in scope.dag.assets]
    if by_clock and assets:
        return AssetOrTimeSchedule(timetable=by_clock, assets=assets)
    return by_clock or assets or None


def usable(folder: Path) -> tuple[list[Scope], list[SettingsError]]:
    """The scopes of a folder of settings files, and what is wrong with its other files.

    Raises:
        SettingsError: there is no such folder.
    """
    found = dataset_files(folder)
    scopes, broken = [], list(found.broken)
    for file in found.read:
        try:
            scopes.append(checked(file))
        except SettingsError as error:
            broken.append(error)
    return scopes, broken


def checked(file: DatasetFile) -> Scope:
    """The scope of a file whose schedule means something to Airflow.

    Raises:
        SettingsError: it does not.
    """
    scope = scope_of(file)
    schedule_of(scope)
    return scope


def _by_clock(scope: Scope) -> CronTriggerTimetable:
    made = CronTriggerTimetable(scope.dag.cron, timezone=scope.dag.timezone)
    try:
        made.validate()
    except AirflowTimetableInvalid as error:
        where = f"{scope.file.name}: " if scope.file else ""
        raise SettingsError(f"{where}[dag] cron: {scope.dag.cron!r}: {error}") from None
    return made


def _named(asset: str) -> Any:
    """An asset of another DAG, by its URI or its name."""
    return Asset.ref(uri=asset) if "://" in asset else Asset.ref(name=asset)


def _links(scope: Scope) -> str:
    """Where to look next, for a DAG of one dataset."""
    if scope.dataset is None or scope.file is None:
        return ""
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return (
        f"\n[Versions and champion of {scope.dataset}]({base}/recsys/datasets/{scope.dataset}). "
        f"Settings: `{scope.file.name}` of `RECSYS_SETTINGS_DIR`.\n"
    )
