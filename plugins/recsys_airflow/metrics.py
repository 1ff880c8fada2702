"""Sends a run's numbers by Airflow's own StatsD or OpenTelemetry, if one of them is switched on.

``airflow.recsys.<dataset>.<name>``, where ``airflow`` is Airflow's prefix; docs/operations.md says
what each name means and how to turn them on. The dataset is a tag as well, for those who take tags.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from airflow.sdk.observability import stats

from recsys_airflow.run_context import bucket


def send_metrics(written: Mapping[str, Any]) -> None:
    """Sends what a run came to, and since when the champion is the champion.

    Args:
        written: what ``Steps.report`` returned.
    """
    from recsys_tasks.artifacts.pointer import read_pointer

    prefix, tags = f"recsys.{written['dataset']}", {"dataset": written["dataset"]}
    stats.incr(f"{prefix}.verdict.{written['verdict']}", tags=tags)
    for name, value in gauges(written):
        stats.gauge(f"{prefix}.{name}", value, tags=tags)
    for step, seconds in written["seconds"].items():
        stats.timing(f"{prefix}.duration.{step}", 1000 * seconds, tags=tags)
    champion = read_pointer(bucket(), written["dataset"])
    if champion:
        moved = datetime.fromisoformat(champion.moved_at).timestamp()
        stats.gauge(f"{prefix}.champion_moved_at", int(moved), tags=tags)


def gauges(written: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Names and values of what is known of the model, of the rows, of the data's checks, and of each step's memory."""
    yield from written["metrics"].items()
    yield from ((f"rows.{name}", value) for name, value in written["rows"].items())
    yield from ((f"check.{name}", value) for name, value in written["checks"].items())
    yield from ((f"peak_mb.{step}", value) for step, value in written["peak_mb"].items())
