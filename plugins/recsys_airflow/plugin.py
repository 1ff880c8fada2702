"""What Airflow registers: the pages, a tab on each DAG run, notes on runs that end, and their lateness.

The wheel's entry points name these classes. The files of the repository's plugins folder give the same to an
Airflow without the wheel's entry points. Airflow imports this in every process that may need a plugin, so the
work is imported when a run ends, and the pages at the first request for one.
"""

from importlib.metadata import entry_points
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from recsys_airflow.deadline import RunIsMade


def is_registered() -> bool:
    """Whether an entry point names these classes already: a second registration would be refused."""
    return any(one.module == __name__ for one in entry_points(group="airflow.plugins"))


class PagesOnDemand:
    """An ASGI application that stands in for the pages until someone asks for them."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hands the request on; the first one waits for the import."""
        from starlette.concurrency import run_in_threadpool

        pages = await run_in_threadpool(_pages)
        await pages(scope, receive, send)


def _pages() -> Any:
    from recsys_airflow.pages import application

    return application()


class RecommenderPages(AirflowPlugin):
    """What Airflow mounts and links to."""

    name = "recommender_pages"
    fastapi_apps: list[Any] = [  # noqa: RUF012  # as Airflow's base class declares it
        {"app": PagesOnDemand(), "url_prefix": "/recsys", "name": "Recommender"}
    ]
    external_views: list[Any] = [  # noqa: RUF012
        {
            "name": "Recommender",
            "href": "recsys/",
            "destination": "nav",
            "category": "browse",
            "url_route": "recommender",
        },
        {
            "name": "Recommender report",
            "href": "recsys/run?dag_id={DAG_ID}&run_id={RUN_ID}",
            "destination": "dag_run",
            "url_route": "recommender-report",
        },
    ]


class NoteWriter:
    """Called by the scheduler with each run that ends, in the transaction that ends it."""

    @hookimpl
    def on_dag_run_success(self, dag_run: Any) -> None:
        """Notes what a run came to."""
        from recsys_airflow.run_notes import write_note

        write_note(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any) -> None:
        """Notes why a run was rejected or failed."""
        from recsys_airflow.run_notes import write_note

        write_note(dag_run)


class RunNotes(AirflowPlugin):
    """What Airflow registers."""

    name = "recommender_notes"
    listeners: list[Any] = [NoteWriter()]  # noqa: RUF012  # as Airflow's base class declares it
    deadline_references: list[Any] = [RunIsMade]  # noqa: RUF012
