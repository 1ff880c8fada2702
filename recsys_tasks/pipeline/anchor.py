"""The champion of some weeks ago: small losses from one champion to the next would add up unseen."""

from datetime import UTC, datetime, timedelta

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.publish.history import entry


def anchor_version(store: ObjectStore, dataset: str, now: datetime, days: int) -> str | None:
    """The version that was champion so many days before a moment; None: there was none yet.

    The moves are read from the last one back, so that it costs a request for each move since then.
    """
    moment = (now.astimezone(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = read_pointer(store, dataset)
    number = found.move if found else 0
    while number > 0:
        if found and found.moved_at <= moment:
            return found.version
        number -= 1
        found = entry(store, dataset, number)
    return None
