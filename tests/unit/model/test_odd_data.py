"""The whole chain, tables to verdict, on data at the edges: a right answer or a clear refusal."""

import json

import numpy as np
import pytest

from recsys_tasks.config.settings import Settings
from recsys_tasks.data.tables import MovieTable, RatingTable
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.evaluation.evaluate import evaluate_all
from recsys_tasks.evaluation.gate import judge
from recsys_tasks.matrices.interactions import (
    build_id_maps,
    build_interactions,
    build_item_features,
    build_seen,
)
from recsys_tasks.matrices.split import split
from recsys_tasks.model.fit import fit
from recsys_tasks.model.representations import embedding_facts, with_biases


def judged(stars, genres=None, user_ids=None, movie_ids=None, **overrides):
    """Metrics and verdict of a table of stars, 0 where a user has not rated an item."""
    stars = np.asarray(stars, dtype=np.float32)
    users = np.arange(stars.shape[0]) if user_ids is None else np.array(user_ids)
    items = np.arange(stars.shape[1]) if movie_ids is None else np.array(movie_ids)
    user, item = np.nonzero(stars)
    ratings = RatingTable(
        users[user], items[item], stars[user, item], np.arange(len(user), dtype=np.int64)
    )
    tags = genres or (("Drama",),) * len(items)
    movies = MovieTable(items, ("",) * len(items), tags)
    quick = {"train.epochs": 2, "train.components": 4, "split.test_fraction": 0.5}
    settings = Settings.load(
        "nightly", overrides={**quick, "split.validation_fraction": 0, **overrides}
    )
    maps = build_id_maps(ratings, movies)
    parts = split(build_interactions(ratings, *maps, settings.positives), settings.split, *maps)
    features = build_item_features(movies, settings.train.genres).matrix
    embeddings = with_biases(fit(parts.train, features, settings.train).model, features)
    found = evaluate_all(embeddings, parts, build_seen(ratings, *maps), settings.evaluate)
    verdict = judge(found.metrics, embedding_facts(embeddings), settings.gate)
    json.dumps([found.metrics, verdict.document()], allow_nan=False)
    return found.metrics, verdict


def many(n_users=12, n_items=8, share=0.6):
    generator = np.random.default_rng(0)
    return np.where(generator.random((n_users, n_items)) < share, 5, 0)


def test_one_user_is_measured():
    metrics, _ = judged([[5, 5, 5, 5, 0, 3]])
    assert metrics["test_served"]["users"] == 1


def test_one_item_leaves_nobody_to_rank_it_against_and_a_neutral_auc():
    metrics, _ = judged(np.full((6, 1), 5))
    assert metrics["test"]["auc"] == 0.5
    assert metrics["test_served"]["precision_at_5"] == pytest.approx(0.2)


def test_users_with_every_item_are_served_only_their_test_items():
    metrics, _ = judged(np.full((6, 8), 5))
    assert metrics["test_served"]["recall_at_10"] == 1
    assert metrics["test_served"]["auc"] == 0.5


def test_one_positive_cannot_be_split():
    with pytest.raises(TrainingRefused, match="1 positives"):
        judged([[5, 3, 2]])


def test_weaker_positives_alone_cannot_be_tested():
    with pytest.raises(TrainingRefused, match="0 positives"):
        judged([[4, 4, 4, 4]])


@pytest.mark.parametrize(
    "genres",
    [
        (("(no genres listed)",),) * 8,
        (("Drama", "War"),) * 8,
        tuple(tuple(f"genre {n}" for n in range(44)) for _ in range(8)),
        ((),) * 8,
    ],
    ids=["none listed", "the same everywhere", "44 of them", "none at all"],
)
def test_genres_of_any_number_train(genres):
    metrics, _ = judged(many(), genres)
    assert metrics["test"]["users"] > 0


def test_ids_up_to_two_to_the_53rd_train():
    metrics, _ = judged(many(3, 4, 1.0), user_ids=[1, 2**40, 2**53], movie_ids=[0, 7, 2**52, 2**53])
    assert metrics["test"]["users"] == 3


def test_fewer_items_than_places_are_a_right_answer():
    metrics, _ = judged(many(6, 3, 0.9), **{"evaluate.ks": (50,)})
    assert 0 < metrics["test_served"]["precision_at_50"] <= 3 / 50


def test_the_gate_rejects_what_odd_data_cannot_carry():
    _, verdict = judged(np.full((6, 1), 5))
    assert not verdict.accepted
    assert any("effective rank" in reason for reason in verdict.reasons())
