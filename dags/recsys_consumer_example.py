"""A consumer to copy: wakes up when a champion is promoted, loads it and asks it something.

It needs nothing but the bucket. A rejected run promotes nobody, so it wakes nobody. Where each dataset has
an asset of its own (`RECSYS_SETTINGS_DIR`), wait for `champion_of("shop")` in place of `CHAMPION`.
"""

import logging
from typing import Any

from airflow.sdk import dag, get_current_context

from recsys_airflow import CHAMPION, bucket, step

log = logging.getLogger(__name__)


@dag(
    schedule=[CHAMPION],
    catchup=False,
    max_active_runs=1,
    dag_display_name="recsys_consumer_example: a consumer to copy",
    description="Wakes up when a champion is promoted, loads it and asks it something.",
    default_args={"owner": "recsys"},
    tags=["recsys"],
    doc_md=__doc__,
)
def recsys_consumer_example() -> None:
    """One task."""

    @step(minutes=30)
    def recommend() -> Any:
        """Load the promoted version as a consumer does and log the ten best items of three users."""
        from recsys_tasks.artifacts.ids import id_list
        from recsys_tasks.recommend.recommender import Recommender

        event = get_current_context()["triggering_asset_events"][CHAMPION][-1]
        dataset, version = event.extra["dataset"], event.extra["version"]
        recommender = Recommender.load(bucket(), dataset, version=version)
        for user in id_list(recommender.artifacts.user_ids[:3]):
            answer = recommender.recommend(user)
            log.info("user %s (%s):", user, answer.tier)
            for place in answer.items:
                log.info("  %.3f  %s", place.score, place.title)
        return {"dataset": dataset, "version": version}

    recommend()


recsys_consumer_example()
