"""Web addresses of Airflow's pages and of ours, for alerts, approvals and reports."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from airflow.sdk import conf


def run_link(dag_id: str, run_id: str) -> str:
    """Address of a run's page."""
    return f"{_base()}/dags/{dag_id}/runs/{run_id}"


def log_link(dag_id: str, run_id: str, task: str) -> str:
    """Address of the log of a run's task."""
    return f"{run_link(dag_id, run_id)}/tasks/{task_of(task)}"


def task_of(failed: str) -> str:
    """The task whose log tells of a failure: refused settings fail the first one."""
    from recsys_tasks.pipeline.step_list import ORDER

    return ORDER[0] if failed == "settings" else failed


def pages(*parts: str, **query: str) -> str:
    """Address of one of our pages."""
    path = "/".join(quote(part) for part in parts)
    return f"{_base()}/recsys/{path}" + (f"?{urlencode(query)}" if query else "")


def report_links(facts: Mapping[str, Any]) -> dict[str, str]:
    """Where one goes on from a run's report, by what is there.

    Airflow's own pages are reached through ours, because a report is shown in a frame, which they must leave.

    Args:
        facts: what the report is made of.
    """
    from recsys_tasks.report.headline import outcome_facts

    run, outcome = facts["run"], outcome_facts(facts)
    dataset, failed = run["dataset"], outcome["failed_task"]
    names = {"dag_id": run["dag_id"], "run_id": run["run_id"]}
    champion = (facts.get("champion") or {}).get("version")
    links = {"Run": pages("leave", **names)}
    if failed:
        links[f"Log of {task_of(failed)}"] = pages("leave", **names, task_id=task_of(failed))
    if champion and not failed:
        compared = {"a": champion, "b": run["version"]}
        links["What differs from the champion"] = pages("datasets", dataset, "compare", **compared)
    if champion:
        links["The champion's report"] = pages("datasets", dataset, "versions", champion, "report")
    return links | {"All versions": pages("datasets", dataset)}


def _base() -> str:
    return conf.get("api", "base_url", fallback="").rstrip("/")
