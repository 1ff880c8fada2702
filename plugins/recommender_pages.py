"""Registers the recommender's pages with Airflow: one in the navigation, one tab on each DAG run.

Airflow runs this file in every process that may need a plugin, so nothing heavy is imported here:
the pages themselves are loaded at the first request for one.
"""

from typing import Any

from airflow.plugins_manager import AirflowPlugin


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
