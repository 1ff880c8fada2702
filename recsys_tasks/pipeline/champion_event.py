"""Tells Airflow of a champion that was moved from the command line, as the task ``promote`` does."""

import os
from collections.abc import Mapping
from typing import Any

from recsys_tasks.config.connections import written_by_stack
from recsys_tasks.errors import AirflowUnavailable

ASSET = "recsys_champion"
"""The asset that the DAGs of consumers wait for; ``recsys_champion/<dataset>`` where each has its own."""

NAMES = ("AIRFLOW_API_URL", "AIRFLOW_USER", "AIRFLOW_PASSWORD")


def send_champion_event(extra: Mapping[str, Any]) -> tuple[bool, str]:
    """Makes an event of the asset, over the API of the Airflow that the environment or the stack names.

    Args:
        extra: what the event carries, as the task ``promote`` gives it: its dataset, and more.

    Returns:
        whether Airflow was told, and a sentence about it.

    Raises:
        AirflowUnavailable, SettingsError: Airflow is named, and does not answer or refuses.
    """
    access = airflow_access()
    if access is None:
        return False, f"no Airflow was told: {', '.join(NAMES)} are not set and no stack runs here"
    try:
        from recsys_tasks.pipeline.airflow_api import AirflowApi
    except ImportError:
        raise AirflowUnavailable("asking it takes recsys-tasks[local]") from None
    api = AirflowApi(*access)
    for asset in (f"{ASSET}/{extra['dataset']}", ASSET):
        if api.send_asset_event(asset, extra):
            return True, f"told the DAGs that wait for {asset} in the Airflow at {access[0]}"
    return False, f"no DAG was told: the Airflow at {access[0]} has no asset {ASSET}"


def airflow_access() -> tuple[str, str, str] | None:
    """URL, user and password of Airflow's API: the environment's, else the running stack's."""
    for values in (os.environ, written_by_stack(os.environ)):
        if all(values.get(name) for name in NAMES):
            url, user, password = (values[name] for name in NAMES)
            return url, user, password
    return None
