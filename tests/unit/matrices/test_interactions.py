"""The matrices are those that LightFM's own Dataset builds, element by element."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightfm.data import Dataset

from recsys_tasks.config.settings import PositiveSettings
from recsys_tasks.data.tables import MovieTable, RatingTable
from recsys_tasks.errors import NotFound
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import (
    Interactions,
    ItemFeatures,
    build_id_maps,
    build_interactions,
    build_item_features,
    build_seen,
)

ARTICLE = PositiveSettings(threshold=5.0, weak_weight=0.0)


@pytest.fixture(scope="module")
def reference(real_tables):
    """LightFM's Dataset, fitted with users, movies and genres in ascending order."""
    ratings, movies = real_tables
    genres = sorted({genre for tags in movies.genres for genre in tags})
    dataset = Dataset()
    dataset.fit(np.unique(ratings.user_id).tolist(), movies.movie_id.tolist(), item_features=genres)
    return dataset


def test_interactions_equal_lightfms_dataset_on_real_ratings(real_tables, reference):
    ratings, movies = real_tables
    users, items = build_id_maps(ratings, movies)
    ours = build_interactions(ratings, users, items, ARTICLE)
    five = ratings.rating >= 5
    theirs, weights = reference.build_interactions(
        zip(ratings.user_id[five].tolist(), ratings.movie_id[five].tolist(), strict=True)
    )
    assert ours.shape == theirs.shape == (671, 9066)
    assert len(ours) == 15_095
    assert np.array_equal(ours.row, theirs.row)
    assert np.array_equal(ours.col, theirs.col)
    assert np.array_equal(ours.weight, weights.data)


def test_item_features_equal_lightfms_dataset_on_real_movies(real_tables, reference):
    _, movies = real_tables
    ours = build_item_features(movies)
    theirs = reference.build_item_features(
        zip(movies.movie_id.tolist(), movies.genres, strict=True)
    )
    assert ours.matrix.shape == (9066, 9086)
    assert ours.matrix.nnz == 29_298
    assert (ours.matrix != theirs).nnz == 0
    assert np.array_equal(ours.matrix.indices, theirs.indices)
    assert ours.names[0] == "movie:1"
    assert ours.names[9066:9068] == ("genre:(no genres listed)", "genre:Action")


def test_seen_holds_every_rating_whatever_its_stars(real_tables):
    ratings, movies = real_tables
    users, items = build_id_maps(ratings, movies)
    seen = build_seen(ratings, users, items)
    assert seen.nnz == 100_004
    assert seen.has_sorted_indices
    first = items.ids[seen[0].indices]
    assert np.array_equal(first, ratings.movie_id[ratings.user_id == users.ids[0]])


def test_weaker_positives_carry_their_weight_and_are_marked(real_tables):
    ratings, movies = real_tables
    graded = PositiveSettings(threshold=5, weak_threshold=4, weak_weight=0.5)
    found = build_interactions(ratings, *build_id_maps(ratings, movies), graded)
    assert len(found) == int((ratings.rating >= 4).sum())
    assert int(found.is_positive.sum()) == 15_095
    assert np.array_equal(found.weight, np.where(found.is_positive, 1, 0.5).astype(np.float32))


def test_without_genres_each_item_has_only_itself():
    movies = MovieTable(np.array([3, 7]), ("a", "b"), (("Drama",), ("Action", "Drama")))
    bare = build_item_features(movies, genres=False)
    assert np.array_equal(bare.matrix.toarray(), np.eye(2, dtype=np.float32))
    assert bare.names == ("movie:3", "movie:7")


def test_a_genre_of_less_weight_leaves_more_to_the_item_itself():
    movies = MovieTable(np.array([3, 7]), ("a", "b"), (("Drama",), ("Action", "Drama")))
    found = build_item_features(movies, genre_weight=0.5).matrix.toarray()
    assert np.allclose(found, [[2 / 3, 0, 0, 1 / 3], [0, 1 / 2, 1 / 4, 1 / 4]])


def test_44_genres_on_one_item_share_its_weight_with_it():
    tags = tuple(f"g{n:02}" for n in range(44))
    found = build_item_features(MovieTable(np.array([1]), ("a",), (tags,)))
    assert found.matrix.shape == (1, 45)
    assert np.allclose(found.matrix.toarray(), 1 / 45)


def test_arrays_give_the_same_values_back(real_tables):
    ratings, movies = real_tables
    found = build_interactions(ratings, *build_id_maps(ratings, movies), ARTICLE)
    again = Interactions.from_arrays(found.to_arrays())
    assert again.shape == found.shape
    assert all(np.array_equal(again.to_arrays()[k], v) for k, v in found.to_arrays().items())
    features = build_item_features(movies)
    once_more = ItemFeatures.from_arrays(features.to_arrays())
    assert once_more.names == features.names
    assert (once_more.matrix != features.matrix).nnz == 0


def test_a_rating_of_an_unknown_movie_names_its_id():
    ratings = RatingTable(
        np.array([1]), np.array([9]), np.array([5], dtype=np.float32), np.array([0])
    )
    with pytest.raises(NotFound, match="id 9 "):
        build_interactions(ratings, IdMap(np.array([1])), IdMap(np.array([8])), ARTICLE)


@given(st.sets(st.integers(0, 2**53), min_size=1, max_size=50), st.data())
def test_rows_of_finds_each_id_and_known_tells_strangers(ids, data):
    ascending = np.array(sorted(ids), dtype=np.int64)
    asked = np.array(data.draw(st.lists(st.sampled_from(sorted(ids)), max_size=50)), dtype=np.int64)
    found = IdMap(ascending)
    assert np.array_equal(ascending[found.rows_of(asked)], asked)
    stranger = data.draw(st.integers(-(2**53), 2**53).filter(lambda i: i not in ids))
    assert found.known(np.array([stranger, ascending[0]])).tolist() == [False, True]
