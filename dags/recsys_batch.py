"""Recommendations for all users, written to the bucket, a mapped task a shard of them.

Started by hand. The version is pinned first (the champion, unless the form names another), so that
all parts come from one model; the manifest that names the parts is written last, and without it there
is no batch.
"""

from collections.abc import Iterable
from typing import Any

from airflow.sdk import Param, chain, dag, get_current_context

from recsys_airflow import bucket, step

SHARDS = 1000


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    params={
        "dataset": Param("movielens", type="string", description="Whose users are served."),
        "version": Param(
            None, type=["null", "string"], description="Which version answers; empty: the champion."
        ),
        "k": Param(
            10,
            type="integer",
            minimum=1,
            maximum=1000,
            description="Items of a list, from 1 to 1000.",
        ),
        "format": Param(
            "jsonl", type="string", enum=["jsonl", "parquet"], description="Of the parts."
        ),
        "shards": Param(
            2,
            type="integer",
            minimum=1,
            maximum=SHARDS,
            description="Tasks to divide it among, from 1 to 1000.",
        ),
    },
    default_args={"owner": "recsys", "retries": 2},
    dag_display_name="recsys_batch: recommendations for all users",
    description="Recommendations for all users, written to the bucket.",
    tags=["recsys"],
    doc_md=__doc__,
)
def recsys_batch() -> None:
    """Pin, write the parts side by side, seal."""

    @step(minutes=10)
    def pin() -> Any:
        """Name the version that every part comes from, and the shards of its users."""
        from recsys_tasks.recommend.batch_parts import pin_version

        wanted = get_current_context()["params"]
        version = pin_version(bucket(), wanted["dataset"], wanted["version"] or "")
        return [{"version": version, "shard": shard} for shard in range(wanted["shards"])]

    @step(minutes=360)
    def write_part(pinned: dict[str, Any]) -> Any:
        """Write the lists of one shard's users. A retry writes the same file again."""
        from dataclasses import asdict

        from recsys_tasks.recommend.batch_parts import put_part
        from recsys_tasks.recommend.recommender import Recommender

        wanted, store, version = get_current_context()["params"], bucket(), pinned["version"]
        recommender = Recommender.load(store, wanted["dataset"], version=version)
        part = put_part(
            store, recommender, wanted["shards"], pinned["shard"], wanted["k"], wanted["format"]
        )
        return {"version": version, "part": asdict(part)}

    @step(minutes=10)
    def seal(written: Iterable[dict[str, Any]]) -> Any:
        """Write the manifest, once every user is in one part and no more than one."""
        from recsys_tasks.recommend.batch_parts import PartFacts, seal_parts
        from recsys_tasks.recommend.recommender import Recommender

        wanted, store, made = get_current_context()["params"], bucket(), list(written)
        recommender = Recommender.load(store, wanted["dataset"], version=made[0]["version"])
        parts = [PartFacts(**one["part"]) for one in made]
        key = seal_parts(store, recommender, parts, wanted["k"], wanted["format"])
        return {"manifest": key, "users": sum(part.users for part in parts)}

    pinned = pin()
    written = write_part.expand(pinned=pinned)
    chain(pinned, written, seal(written))


recsys_batch()
