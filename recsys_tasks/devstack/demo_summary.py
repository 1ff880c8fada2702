"""What the demo prints of a published version: its metrics beside the baselines', and two users."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from psycopg2 import sql

from recsys_tasks.artifacts.ids import Id, id_at
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.data.db.event_reader import holds_events
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.devstack.shop import WEIGHTS
from recsys_tasks.recommend.recommender import Recommendations, Recommender

METRICS = ("precision_at_5", "recall_at_10", "ndcg_at_10", "mrr", "auc")
VIEWS = {
    "test_served": "as served: whatever the user has rated left out",
    "test": "training positives left out",
    "test_unmasked": "nothing left out, as in the article",
}
QUANTILES = (0.5, 0.9)
"""Where, among users ordered by their training positives, the two shown users stand."""

Told: TypeAlias = tuple[int, tuple[tuple[str, float | str], ...]]
"""Of a user: how many ratings or items, and titles with stars or types of event."""


@dataclass(frozen=True)
class UserShown:
    """A user with the titles that they liked most and what the version recommends to them.

    Args:
        n_ratings: how many ratings, or events.
        liked: (title, stars), or (title, type of event); best and latest first.
    """

    user_id: Id
    n_ratings: int
    liked: tuple[tuple[str, float | str], ...]
    recommended: Recommendations


@dataclass(frozen=True)
class DemoSummary:
    """A version for people to look at."""

    manifest: Manifest
    is_champion: bool
    users: tuple[UserShown, ...]


def collect(store: ObjectStore, database: Database, dataset: str, version: str) -> DemoSummary:
    """Reads a published version as a consumer would, and the shown users' ratings.

    Raises:
        NotFound, ArtifactRefused, StoreUnavailable, DatabaseUnavailable: as the parts say.
    """
    manifest = read_manifest(store, dataset, version)
    pointer = read_pointer(store, dataset)
    recommender = Recommender.load(store, dataset, version=version)
    show = _shows_events if holds_events(database, dataset) else _shows_ratings
    users = tuple(
        UserShown(user, *told, recommender.recommend(user, 10))
        for user, told in show(database, dataset, recommender)
    )
    return DemoSummary(manifest, pointer is not None and pointer.version == version, users)


def metrics_table(metrics: dict[str, Any]) -> list[str]:
    """The model's metrics beside the baselines', a view after the other; what is missing is left out."""
    baselines = metrics.get("baselines", {})
    columns = {"model": metrics, **baselines}
    lines = [" " * 18 + "".join(f"{name:>10}" for name in columns)]
    for view, meaning in VIEWS.items():
        lines.append(f"{view} ({meaning})")
        for metric in METRICS:
            values = [column.get(view, {}).get(metric) for column in columns.values()]
            if values[0] is not None:
                lines.append(f"  {metric:<16}" + "".join(map(_number, values)))
    return lines


def _number(value: float | None) -> str:
    return f"{'-':>10}" if value is None else f"{value:>10.4f}"


def _chosen_users(recommender: Recommender) -> list[Id]:
    """Two users of the model: one in the middle by number of positives, one with many."""
    artifacts = recommender.artifacts
    trained = np.flatnonzero(artifacts.user_counts > 0)
    by_count = trained[np.argsort(artifacts.user_counts[trained], kind="stable")]
    places = {int(quantile * (len(by_count) - 1)) for quantile in QUANTILES}
    return [id_at(artifacts.user_ids, int(by_count[place])) for place in sorted(places)]


def _shows_ratings(
    database: Database, dataset: str, recommender: Recommender
) -> Iterator[tuple[Id, Told]]:
    """How many ratings each shown user gave, and the best of them."""
    ratings = database.read_ratings(dataset)
    titles = {movie.movie_id: movie.title for movie in recommender.artifacts.movies}
    for user in _chosen_users(recommender):
        own = np.flatnonzero(ratings.user_id == user)
        best = own[np.lexsort((-ratings.rated_at[own], -ratings.rating[own]))][:5]
        liked = tuple((titles[int(ratings.movie_id[i])], float(ratings.rating[i])) for i in best)
        yield user, (len(own), liked)


LAST_EVENTS = """
    SELECT count(*) OVER (), title, type FROM (
        SELECT DISTINCT ON (item_id) title, type, at
        FROM {schema}.named_events JOIN {schema}.items ON items.id = item_id
        WHERE user_id = %s ORDER BY item_id, array_position(%s, type) DESC, at DESC
    ) AS best ORDER BY array_position(%s, type) DESC, at DESC LIMIT 5
"""
"""Of each item the event that says most, of these the latest."""


def _shows_events(
    database: Database, dataset: str, recommender: Recommender
) -> Iterator[tuple[Id, Told]]:
    """With how many items each shown user had to do, and what they did last that says most."""
    query = sql.SQL(LAST_EVENTS).format(schema=sql.Identifier(dataset))
    types = list(WEIGHTS)
    for user in _chosen_users(recommender):
        found = database.fetch(query, (str(user), types, types))
        liked = tuple((title, kind) for _, title, kind in found)
        yield user, (int(found[0][0]) if found else 0, liked)
