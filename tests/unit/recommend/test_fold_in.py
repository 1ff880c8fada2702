"""A newcomer's vector: what the regression must find where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_tasks.artifacts.liked import Liked
from recsys_tasks.artifacts.reader import Artifacts
from recsys_tasks.recommend.fold_in import FoldIn


@pytest.fixture
def linear(artifacts: Artifacts) -> tuple[Artifacts, np.ndarray]:
    """Users made by a known matrix from the mean vectors of what they like; many of them."""
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(8, 8))
    rows = [np.sort(rng.choice(300, 60, replace=False)) for _ in range(3000)]
    means = np.stack([artifacts.item_embeddings[r, :-2].mean(axis=0) for r in rows])
    users = np.column_stack([means @ truth, np.zeros(3000), np.ones(3000)]).astype(np.float32)
    made = replace(
        artifacts,
        user_ids=np.arange(3000),
        user_embeddings=users,
        user_counts=np.ones(3000, np.int32),
        liked=Liked(np.arange(0, 3000 * 60 + 1, 60), np.concatenate(rows).astype(np.int32)),
    )
    return made, truth


def test_it_recovers_users_whose_vectors_are_linear_in_what_they_like(
    linear: tuple[Artifacts, np.ndarray],
) -> None:
    artifacts, _ = linear
    found = FoldIn(artifacts).from_rows(artifacts.liked.of(0))
    own = artifacts.user_embeddings[0, :-2]
    cosine = found[:-2] @ own / np.linalg.norm(found[:-2]) / np.linalg.norm(own)
    assert cosine > 0.95
    assert found[-2:].tolist() == [0.0, 1.0]


def test_one_movie_moves_a_newcomer_less_than_many_of_its_kind(
    linear: tuple[Artifacts, np.ndarray],
) -> None:
    fold_in = FoldIn(linear[0])
    average = fold_in._map.vector(fold_in._map.centre, 1)
    one, many = (
        np.linalg.norm(fold_in._map.vector(linear[0].item_embeddings[3, :-2], n) - average)
        for n in (1, 50)
    )
    assert 0.3 < one / many < 0.4


def test_genres_are_the_mean_of_their_movies_by_popularity(artifacts: Artifacts) -> None:
    fold_in = FoldIn(artifacts)
    movies = tuple(
        replace(movie, positives=10**9 if i == 4 else 0) for i, movie in enumerate(artifacts.movies)
    )
    alone = FoldIn(replace(artifacts, movies=movies)).from_genres(["Drama"])
    assert alone is not None
    expected = fold_in._map.vector(artifacts.item_embeddings[4, :-2], 100)
    assert np.allclose(alone, expected, atol=1e-4)
    assert fold_in.from_genres(["No such"]) is None


def test_a_version_without_any_trained_user_still_gives_a_finite_vector(
    artifacts: Artifacts,
) -> None:
    nobody = replace(artifacts, user_counts=np.zeros_like(artifacts.user_counts))
    assert np.isfinite(FoldIn(nobody).from_rows(np.array([0, 5]))).all()
