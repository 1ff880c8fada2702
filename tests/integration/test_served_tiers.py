"""A published version serves every kind of user as the run measured them; what was disliked makes no list."""

from datetime import UTC, datetime

import numpy as np
import pytest

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.model.representations import with_biases
from recsys_tasks.pipeline.run import Run
from recsys_tasks.pipeline.steps import ORDER, Steps
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services

GENRES = ("Comedy", "Drama", "Horror")
N_ITEMS = 45
DISLIKES, LIKES_LESS = 901, 902
"""A user who gave one star to horror movies only, and one who gave them four."""


def write_source(folder):
    rng = np.random.default_rng(3)
    ratings = [
        (user, item, 5.0 if item % 3 == user % 3 else rng.choice([2.0, 4.0]))
        for user in range(1, 61)
        for item in sorted(rng.choice(N_ITEMS, 18, replace=False) + 1)
    ]
    horror = [item for item in range(1, N_ITEMS + 1) if item % 3 == 2][:6]
    ratings += [(DISLIKES, item, 1.0) for item in horror]
    ratings += [(LIKES_LESS, item, 4.0) for item in horror]
    movies = [f"{item},Film {item},{GENRES[item % 3]}" for item in range(1, N_ITEMS + 1)]
    lines = [f"{user},{item},{stars},{964982703 + item}" for user, item, stars in ratings]
    for name, head, rows in (
        ("movies", "movieId,title,genres", movies),
        ("ratings", "userId,movieId,rating,timestamp", lines),
    ):
        (folder / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return {f"source.{name}": str(folder / f"{name}.csv") for name in ("movies", "ratings")}


@pytest.fixture
def steps(database_url, bucket, tmp_path, request):
    wanted = {
        "dataset": "tiers",
        "index.trees": 3,
        "train.components": 8,
        "gate.min_popular_ratio": 0.01,
        "train.engine": getattr(request, "param", "recsys"),
        "train.ridge_svd.components": 6,
        "gate.min_index_recall": 0.0,
        **write_source(tmp_path),
    }
    run = Run("tiers", "recsys_train", "manual__1", datetime(2026, 11, 24, 3, tzinfo=UTC))
    made = Steps(
        Settings.load("quick", overrides=wanted), run, Database(database_url), ObjectStore(bucket)
    )
    for name in ORDER:
        getattr(made, name)()
    return made


@pytest.mark.parametrize(
    "steps", ["lightfm", "recsys", "ridge-svd", "blend", "auto"], indirect=True
)
def test_every_user_is_served_what_the_run_measured(steps, tmp_path):
    recommender = Recommender.load(steps.store, "tiers", cache=tmp_path / "cache")
    embeddings = with_biases(steps.data.model(), steps.data.features().matrix)
    measured = steps.data.contender(embeddings)
    tiers = set()
    for row, user in enumerate(measured.users.ids.tolist()):
        answer = recommender.recommend(user, N_ITEMS, exclude_seen=False, exact=True)
        scores = measured.scores(row)
        served = measured.items.rows_of(np.array([item.movie_id for item in answer.items]))
        assert len(served) == N_ITEMS
        assert (np.diff(scores[served]) <= 1e-4).all()
        tiers.add(answer.tier)
    regression = steps.settings.train.engine in ("lightfm", "recsys")
    assert tiers == {"model", "popular", *(["fold_in"] if regression else [])}


def test_what_was_disliked_gives_the_popular_list_and_what_was_liked_less_gives_its_kind(
    steps, tmp_path
):
    recommender = Recommender.load(steps.store, "tiers", cache=tmp_path / "cache")
    disliked = recommender.recommend(DISLIKES, 5)
    assert disliked.tier == "popular"
    liked = recommender.recommend(LIKES_LESS, 5)
    assert liked.tier == "fold_in"
    seen = {item for item in range(1, N_ITEMS + 1) if item % 3 == 2}
    for answer in (disliked, liked):
        first_six = sorted(seen)[:6]
        assert not {item.movie_id for item in answer.items} & set(first_six)


def test_the_champion_is_measured_by_its_own_tiers(steps):
    champion = steps.run_champion.champion()
    assert champion is None  # a run does not meet itself
    own = type(steps)(
        steps.settings,
        Run("tiers", "recsys_train", "manual__2", datetime(2026, 11, 25, 3, tzinfo=UTC)),
        steps.database,
        steps.store,
    )
    embeddings = with_biases(steps.data.model(), steps.data.features().matrix)
    ours, theirs = steps.data.contender(embeddings), own.run_champion.champion().contender()
    for row in range(len(ours.users)):
        assert np.allclose(ours.scores(row), theirs.scores(row), atol=1e-4)


def test_a_version_without_liked_items_is_still_served(steps, tmp_path):
    """As those were that were published before: what was rated stands for what was liked."""
    from recsys_tasks.artifacts.reader import READ, fetch, open_version
    from recsys_tasks.artifacts.versions import read_manifest

    manifest = read_manifest(steps.store, "tiers", steps.run.version)
    paths = fetch(steps.store, manifest, tmp_path / "cache", READ)
    older = Recommender(open_version(manifest, paths))
    assert older.recommend(DISLIKES, 5).tier == "fold_in"
