"""What a run's report says of the versions before it."""

from typing import Any

from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.errors import ArtifactRefused, NotFound
from recsys_tasks.pipeline.run import Run
from recsys_tasks.publish.naming import version_names
from recsys_tasks.report.headline import outcome_facts

MOST = 20
"""Versions that are looked at: some weeks of nights, one small file each."""


def versions_before(store: ObjectStore, run: Run) -> list[dict[str, Any]]:
    """The report's ``trend``: the newest versions beside the run's own, newest first.

    A version that cannot be read is left out.
    """
    names = [name for name in version_names(store, run.dataset) if name != run.version][:MOST]
    read = (_manifest(store, run.dataset, name) for name in names)
    return [_point(manifest) for manifest in read if manifest]


def _manifest(store: ObjectStore, dataset: str, version: str) -> Manifest | None:
    try:
        return read_manifest(store, dataset, version)
    except (NotFound, ArtifactRefused):
        return None


def _point(manifest: Manifest) -> dict[str, Any]:
    metrics = outcome_facts({"metrics": manifest.metrics})["metrics"]
    moment = manifest.run.run_after
    return {"version": manifest.version, "run_after": moment, **metrics}
