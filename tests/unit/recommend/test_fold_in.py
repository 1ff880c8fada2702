"""A newcomer's vector: what the regression must find where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_tasks.artifacts.history_map import HistoryMap
from recsys_tasks.artifacts.liked import Liked
from recsys_tasks.artifacts.reader import Artifacts
from recsys_tasks.recommend.fold_in import FoldIn
from recsys_tasks.recommend.recommender import Recommender


def liked_of(rows: list[np.ndarray]) -> Liked:
    """What users like, each at weight 1, from the rows of each."""
    indptr = np.concatenate(([0], np.cumsum([len(own) for own in rows])))
    indices = np.concatenate(rows).astype(np.int32)
    return Liked(indptr, indices, np.ones(len(indices), np.float32))


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
        liked=liked_of(rows),
    )
    return made, truth


def test_it_recovers_users_whose_vectors_are_linear_in_what_they_like(
    linear: tuple[Artifacts, np.ndarray],
) -> None:
    artifacts, _ = linear
    found = FoldIn(artifacts).from_rows(*artifacts.liked.of(0))
    own = artifacts.user_embeddings[0, :-2]
    cosine = found[:-2] @ own / np.linalg.norm(found[:-2]) / np.linalg.norm(own)
    assert cosine > 0.95
    assert found[-2:].tolist() == [0.0, 1.0]


def test_one_movie_moves_a_newcomer_less_than_many_of_its_kind(
    linear: tuple[Artifacts, np.ndarray],
) -> None:
    fold_in = FoldIn(linear[0])
    average = fold_in.from_rows(np.zeros(0, int))
    one, many = (np.linalg.norm(fold_in.from_rows(np.full(n, 3)) - average) for n in (1, 50))
    assert 0.3 < one / many < 0.4


def test_genres_are_the_mean_of_their_movies_by_popularity(artifacts: Artifacts) -> None:
    fold_in = FoldIn(artifacts)
    movies = tuple(
        replace(movie, positives=10**9 if i == 4 else 0) for i, movie in enumerate(artifacts.movies)
    )
    alone = FoldIn(replace(artifacts, items=movies)).from_genres(["Drama"])
    assert alone is not None
    expected = fold_in.from_rows(np.full(100, 4))
    assert np.allclose(alone, expected, atol=1e-4)
    assert fold_in.from_genres(["No such"]) is None


def test_a_version_without_any_trained_user_still_gives_a_finite_vector(
    artifacts: Artifacts,
) -> None:
    nobody = replace(artifacts, user_counts=np.zeros_like(artifacts.user_counts))
    assert np.isfinite(FoldIn(nobody).from_rows(np.array([0, 5]))).all()


@pytest.fixture
def published(artifacts: Artifacts) -> Artifacts:
    """A version whose first five columns are sums over the history, and whose last three are not."""
    rng = np.random.default_rng(5)
    arrays = {
        "item_scale": rng.uniform(0.1, 1, 300),
        "base": rng.normal(size=5),
        "centre": rng.normal(size=3),
        "matrix": rng.normal(size=(4, 3)),
        "prior": np.array(2.0),
    }
    known = HistoryMap.from_arrays({k: v.astype(np.float32) for k, v in arrays.items()})
    return replace(artifacts, fold_in=known)


def test_a_newcomers_vector_is_what_the_published_arrays_say(published: Artifacts) -> None:
    assert published.fold_in is not None
    arrays, items = published.fold_in.to_arrays(), published.item_embeddings[:, :-2]
    rows = np.array([4, 9, 200])
    mean = items[rows, 5:].mean(axis=0)
    drawn = arrays["centre"] + (mean - arrays["centre"]) * 3 / (3 + 2)

    found = FoldIn(published).from_rows(rows)

    sums = arrays["item_scale"][rows] @ items[rows, :5] + arrays["base"]
    assert np.allclose(found[:5], sums, atol=1e-5)
    assert np.allclose(found[5:8], np.append(drawn, 1) @ arrays["matrix"], atol=1e-5)
    assert found[8:].tolist() == [0.0, 1.0]


def test_newer_history_moves_a_known_user_as_it_would_a_newcomer(published: Artifacts) -> None:
    history = [np.array([3, 8])] * len(published.user_ids)
    fold_in = FoldIn(replace(published, liked=liked_of(history)))
    everything, before = fold_in.from_rows(np.array([3, 8, 20])), fold_in.from_rows(history[0])

    own = fold_in.moved(5, np.array([20]))

    assert np.allclose(own - published.user_embeddings[5], everything - before, atol=1e-4)
    assert own[-1] == 1


def test_a_movie_that_was_rated_low_and_is_liked_since_counts(published: Artifacts) -> None:
    user, low = 7, int(published.seen_indices[published.seen_indptr[7]])
    others = [np.setdiff1d(published.liked.of(row)[0], low) for row in range(40)]
    recommender = Recommender(replace(published, liked=liked_of(others)))

    plain = recommender.recommend(int(published.user_ids[user]))
    since = recommender.recommend(
        int(published.user_ids[user]), since=[int(published.item_ids[low])]
    )

    assert [place.score for place in plain.items] != [place.score for place in since.items]


def test_the_tier_is_model_where_a_training_would_give_the_same(published: Artifacts) -> None:
    assert FoldIn(published).tier == "model"
    assert FoldIn(replace(published, fold_in=None)).tier == "fold_in"


def test_what_a_user_has_liked_since_is_left_out_and_changes_the_list(
    published: Artifacts,
) -> None:
    recommender, user = Recommender(published), int(published.user_ids[7])
    before = [place.movie_id for place in recommender.recommend(user, 10).items]

    after = recommender.recommend(user, 10, since=[before[0], 10**6])

    assert after.tier == "model"
    assert before[0] not in [place.movie_id for place in after.items]
    assert [place.score for place in after.items] != [
        place.score for place in recommender.recommend(user, 11).items[1:]
    ]


def test_someone_unknown_with_newer_history_gets_a_list_of_the_model(published: Artifacts) -> None:
    liked = [int(published.item_ids[row]) for row in (4, 9)]
    recommender = Recommender(published)

    found = recommender.recommend(10**9, 5, since=liked)

    assert (found.tier, found.user_id) == ("model", 10**9)
    assert found.items == recommender.recommend_for(liked, 5).items


def test_whoever_a_canary_leaves_to_the_champion_keeps_their_newer_history(
    published: Artifacts,
) -> None:
    user, since = int(published.user_ids[7]), [int(published.item_ids[4])]
    champion, canary = Recommender(published), Recommender(published)
    canary._rest, canary._share = champion, 0.0

    found = canary.recommend(user, since=since)

    assert found == champion.recommend(user, since=since)
    assert found != champion.recommend(user)
