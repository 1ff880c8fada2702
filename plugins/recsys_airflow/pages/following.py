"""Updates the tables in Postgres and the asset after the champion was moved on a page."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from airflow.assets.manager import asset_manager
from airflow.models.asset import AssetModel
from airflow.utils.session import create_session
from sqlalchemy import select

from recsys_airflow.run_context import bucket, database
from recsys_airflow.scope import champion_of
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.publish.channels import announcement
from recsys_tasks.publish.pointer_move import Follow
from recsys_tasks.publish.postgres_export import tables_follow


def consumers_follow() -> Follow:
    """Both; each is written before the pointer moves and committed when it has moved."""
    tables = tables_follow(database(), bucket())

    @contextmanager
    def follow(manifest: Manifest) -> Iterator[None]:
        with ExitStack() as both:
            both.enter_context(tables(manifest))
            both.enter_context(_event(manifest))
            yield

    return follow


@contextmanager
def _event(manifest: Manifest) -> Iterator[None]:
    """The event that the task ``promote`` would send; none where no DAG has brought the asset here."""
    with create_session() as session:
        if (asset := _asset(session, manifest.dataset)) is not None:
            extra = announcement(manifest)
            asset_manager.register_asset_change(asset=asset, extra=extra, session=session)
        yield


def _asset(session: Any, dataset: str) -> AssetModel | None:
    """The dataset's own asset, else the one asset of a deployment without ``RECSYS_SETTINGS_DIR``."""
    for champion in (champion_of(dataset), champion_of()):
        wanted = select(AssetModel).where(
            AssetModel.name == champion.name, AssetModel.uri == champion.uri
        )
        if found := session.scalar(wanted):
            return cast(AssetModel, found)
    return None
