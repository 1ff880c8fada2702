"""Where a task runs and how big its machine must be: one setting for Celery's queues and for pods.

``RECSYS_PLACEMENT`` is a JSON object, read when a DAG is parsed: task id -> any of ``queue`` (Celery),
``executor`` (where Airflow has several), ``memory_gb`` and ``cpus`` (requests and limits of the task's
pod on Kubernetes; for a person to read elsewhere). A task that is not named goes where Airflow sends it.

    {"train": {"queue": "train", "memory_gb": 16, "cpus": 4}}

A name that no task has stops no DAG: ``dags/recsys_placement.py`` shows it as an import error of its own.
"""

import json
import os
from pathlib import Path
from typing import Any

from airflow.sdk import conf
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from recsys_tasks.errors import SettingsError
from recsys_tasks.pipeline.task_names import PLACEMENT, misplaced


class Placement(BaseModel):
    """One task's place; nothing given, nothing asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queue: str | None = Field(default=None, min_length=1)
    """Queue that its workers listen to."""

    executor: str | None = Field(default=None, min_length=1)
    """One of the names in ``AIRFLOW__CORE__EXECUTOR``."""

    memory_gb: float | None = Field(default=None, gt=0)
    """Memory of its pod, in 10^9 bytes."""

    cpus: float | None = Field(default=None, gt=0)
    """Processors of its pod."""


def options_of(task_id: str) -> dict[str, Any]:
    """What a task of this name passes to Airflow beside its own options.

    Raises:
        SettingsError: the variable is not what it should be; Airflow shows it as an import error.
    """
    place = placements().get(task_id, Placement())
    named = {"queue": place.queue, "executor": place.executor}
    options: dict[str, Any] = {name: value for name, value in named.items() if value}
    override = pod_override(place)
    return {**options, "executor_config": {"pod_override": override}} if override else options


def placements() -> dict[str, Placement]:
    """Every task that the setting names."""
    text = os.environ.get(PLACEMENT) or "{}"
    try:
        return TypeAdapter(dict[str, Placement]).validate_python(json.loads(text))
    except (ValueError, ValidationError) as error:
        raise SettingsError(f"{PLACEMENT} is no use: {error}") from None


def check_names(dags: Path) -> None:
    """Refuses a placement that names a task which no DAG has.

    Args:
        dags: the folder whose DAGs count.

    Raises:
        SettingsError: it names such a task, or is not what it should be.
    """
    placements()
    if problem := misplaced(os.environ.get(PLACEMENT) or "{}", dags):
        raise SettingsError(problem)


def pod_override(place: Placement) -> Any:
    """The pod's size for the Kubernetes executor; None for other executors, or without a size."""
    size = pod_size(place)
    if not size or "KubernetesExecutor" not in conf.get("core", "executor", fallback=""):
        return None
    from kubernetes.client import models as k8s  # comes with that executor's provider

    resources = k8s.V1ResourceRequirements(requests=size, limits=size)
    return k8s.V1Pod(
        spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", resources=resources)])
    )


def pod_size(place: Placement) -> dict[str, str]:
    """Kubernetes' words for the size: megabytes and thousandths of a processor."""
    size = {}
    if place.memory_gb is not None:
        size["memory"] = f"{place.memory_gb * 1000:.0f}M"
    if place.cpus is not None:
        size["cpu"] = f"{place.cpus * 1000:.0f}m"
    return size
