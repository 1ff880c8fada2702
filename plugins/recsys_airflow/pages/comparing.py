"""Two versions side by side, for the page that compares and for those that move the champion."""

from dataclasses import dataclass
from functools import lru_cache

from recsys_airflow.run_context import bucket
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import ArtifactRefused, NotFound
from recsys_tasks.pipeline.compare import compare_versions


@dataclass(frozen=True)
class Compared:
    """What two versions differ in, ready to be shown; ``problem`` says why there is nothing to show."""

    summary: str = ""
    html: str = ""
    problem: str = ""


def compared(dataset: str, before: str | None, now: str) -> Compared:
    """The comparison of two versions, which takes seconds the first time.

    A version that cannot be read is no reason to refuse the page: it says so.
    """
    if before is None:
        return Compared(problem="Consumers get nothing yet, so there is nothing to compare with.")
    if before == now:
        return Compared(problem="Both are the same version.")
    try:
        return _compared(bucket().access, dataset, before, now)
    except (ArtifactRefused, NotFound) as error:
        return Compared(problem=f"The two cannot be compared: {error}")


@lru_cache(maxsize=16)
def _compared(access: StoreAccess, dataset: str, before: str, now: str) -> Compared:
    """Kept, because a published version never changes."""
    found = compare_versions(ObjectStore(access), dataset, before, now)
    return Compared(found.summary(), found.html())
