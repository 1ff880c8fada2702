"""Tells the promotion webhook of the champion's moves; a dead one delays no run and fails no task."""

import threading
from collections.abc import Mapping
from typing import Any

from recsys_airflow.run_context import bucket


def deliver_promotions(written: Mapping[str, Any]) -> None:
    """Delivers what waits of a run's dataset, this run's own promotion and what earlier runs could not.

    Args:
        written: what ``Steps.report`` returned.
    """
    from recsys_tasks.publish.outbox import deliver

    deliver(bucket(), str(written["dataset"]))


def deliver_in_background(dataset: str) -> None:
    """The same beside the caller, who does not wait: for a person's click on a page."""
    from recsys_tasks.publish.outbox import deliver

    threading.Thread(target=deliver, args=(bucket(), dataset), daemon=True).start()
