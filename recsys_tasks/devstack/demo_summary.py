"""What the demo prints of a published version: its metrics beside the baselines', and two users."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.tables import RatingTable
from recsys_tasks.recommend.recommender import Recommendations, Recommender

METRICS = ("precision_at_5", "recall_at_10", "ndcg_at_10", "mrr", "auc")
VIEWS = {
    "test_served": "as served: whatever the user has rated left out",
    "test": "training positives left out",
    "test_unmasked": "nothing left out, as in the article",
}
QUANTILES = (0.5, 0.9)
"""Where, among users ordered by their training positives, the two shown users stand."""


@dataclass(frozen=True)
class UserShown:
    """A user with the titles that they rated highest and what the version recommends to them.

    Args:
        liked: (title, stars), best and latest first.
    """

    user_id: int
    n_ratings: int
    liked: tuple[tuple[str, float], ...]
    recommended: Recommendations


@dataclass(frozen=True)
class Showcase:
    """A version for people to look at."""

    manifest: Manifest
    is_champion: bool
    users: tuple[UserShown, ...]


def collect(store: ObjectStore, database: Database, dataset: str, version: str) -> Showcase:
    """Reads a published version as a consumer would, and the shown users' ratings.

    Raises:
        NotFound, ArtifactRefused, StoreUnavailable, DatabaseUnavailable: as the parts say.
    """
    manifest = read_manifest(store, dataset, version)
    pointer = read_pointer(store, dataset)
    recommender = Recommender.load(store, dataset, version=version)
    ratings = database.read_ratings(dataset)
    users = tuple(_show(recommender, ratings, user) for user in _chosen_users(recommender))
    return Showcase(manifest, pointer is not None and pointer.version == version, users)


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


def _chosen_users(recommender: Recommender) -> list[int]:
    """Two users of the model: one in the middle by number of positives, one with many."""
    artifacts = recommender.artifacts
    trained = np.flatnonzero(artifacts.user_counts > 0)
    by_count = trained[np.argsort(artifacts.user_counts[trained], kind="stable")]
    places = {int(quantile * (len(by_count) - 1)) for quantile in QUANTILES}
    return [int(artifacts.user_ids[by_count[place]]) for place in sorted(places)]


def _show(recommender: Recommender, ratings: RatingTable, user_id: int) -> UserShown:
    own = np.flatnonzero(ratings.user_id == user_id)
    best = own[np.lexsort((-ratings.rated_at[own], -ratings.rating[own]))][:5]
    titles = {movie.movie_id: movie.title for movie in recommender.artifacts.movies}
    liked = tuple((titles[int(ratings.movie_id[i])], float(ratings.rating[i])) for i in best)
    return UserShown(user_id, len(own), liked, recommender.recommend(user_id, 10))
