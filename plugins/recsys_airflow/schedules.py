"""When a DAG runs, whose it is, and what its page says: from the scope's table ``[dag]``."""

from inspect import cleandoc
from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, conf
from airflow.sdk.exceptions import AirflowTimetableInvalid

from recsys_airflow.scope import Scope
from recsys_tasks.errors import SettingsError


def options_of(scope: Scope, kind: str, title: str, doc: str) -> dict[str, Any]:
    """What every DAG of the project gives to Airflow beside its own.

    Args:
        scope: the data sets that it may work on.
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
    """Where to look next, for a DAG of one data set."""
    if scope.dataset is None or scope.file is None:
        return ""
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return (
        f"\n[Versions and champion of {scope.dataset}]({base}/recsys/datasets/{scope.dataset}). "
        f"Settings: `{scope.file.name}` of `RECSYS_SETTINGS_DIR`.\n"
    )
