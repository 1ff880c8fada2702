"""Recommendations for all users, written to the bucket, a mapped task a shard of them.

Started by hand. The version is pinned first (the champion, unless the form names another), so that
all parts come from one model; the manifest that names the parts is written last, and without it there
is no batch.
"""

from collections.abc import Iterable
from typing import Any

from airflow.sdk import DAG, Param, chain, get_current_context

from recsys_airflow.bridge import step
from recsys_airflow.run_context import bucket, dataset
from recsys_airflow.schedules import options_of
from recsys_airflow.scope import Scope

SHARDS = 1000


def make(scope: Scope) -> DAG:
    """The DAG that writes recommendations for all users of a dataset."""
    with DAG(
        schedule=None,
        params=_form(scope),
        default_args={"owner": scope.dag.owner, "retries": 2},
        description="Recommendations for all users, written to the bucket.",
        **options_of(scope, "batch", "recommendations for all users", __doc__),
    ) as made:
        _tasks()
    return made


def _form(scope: Scope) -> dict[str, Param]:
    of_any = {
        "dataset": Param(
            scope.default_dataset(), type="string", description="Whose users are served."
        ),
    }
    return ({} if scope.dataset else of_any) | {
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
    }


def _tasks() -> None:
    """Pin, write the parts side by side, seal."""

    @step(minutes=10)
    def pin() -> Any:
        """Name the version that every part comes from, and the shards of its users."""
        from recsys_tasks.recommend.batch_parts import pin_version

        wanted = get_current_context()["params"]
        version = pin_version(bucket(), dataset(), wanted["version"] or "")
        return [{"version": version, "shard": shard} for shard in range(wanted["shards"])]

    @step(minutes=360)
    def write_part(pinned: dict[str, Any]) -> Any:
        """Write the lists of one shard's users. A retry writes the same file again."""
        from dataclasses import asdict

        from recsys_tasks.recommend.batch_parts import put_part
        from recsys_tasks.recommend.recommender import Recommender

        wanted, store, version = get_current_context()["params"], bucket(), pinned["version"]
        recommender = Recommender.load(store, dataset(), version=version)
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
        recommender = Recommender.load(store, dataset(), version=made[0]["version"])
        parts = [PartFacts(**one["part"]) for one in made]
        key = seal_parts(store, recommender, parts, wanted["k"], wanted["format"])
        return {"manifest": key, "users": sum(part.users for part in parts)}

    pinned = pin()
    written = write_part.expand(pinned=pinned)
    chain(pinned, written, seal(written))
