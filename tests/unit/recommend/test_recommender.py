"""Answers: exact scores, seen items left out, the tier named, and the index as good as exact search."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_tasks.artifacts.reader import Artifacts
from recsys_tasks.errors import NotFound, SettingsError
from recsys_tasks.recommend.recommender import Recommendations, Recommender
from recsys_tasks.recommend.search import Filter

UNRATED, UNTRAINED, TRAINED, STRANGER = 5, 8, 35, 6
"""Ids of a user without ratings, one without training positives, one with, and one not known."""


def ids(answer: Recommendations) -> list[int]:
    return [item.movie_id for item in answer.items]


def seen_of(artifacts: Artifacts, user_id: int) -> set[int]:
    row = int(np.searchsorted(artifacts.user_ids, user_id))
    rows = artifacts.seen_indices[artifacts.seen_indptr[row] : artifacts.seen_indptr[row + 1]]
    return set(artifacts.item_ids[rows].tolist())


@given(user=st.integers(2, 39), k=st.integers(1, 300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_exact_answers_are_the_highest_dot_products_without_the_seen(
    recommender: Recommender, artifacts: Artifacts, user: int, k: int
) -> None:
    user_id = int(artifacts.user_ids[user])
    scores = artifacts.item_embeddings @ artifacts.user_embeddings[user]
    unseen = [
        row
        for row in np.argsort(-scores, kind="stable")
        if int(artifacts.item_ids[row]) not in seen_of(artifacts, user_id)
    ]
    answer = recommender.recommend(user_id, k, exact=True)
    assert ids(answer) == artifacts.item_ids[unseen[:k]].tolist()
    expected = [float(scores[row]) for row in unseen[:k]]
    assert np.allclose([item.score for item in answer.items], expected, rtol=1e-5, atol=1e-5)


def test_the_index_finds_nearly_all_that_exact_search_finds(
    recommender: Recommender, artifacts: Artifacts
) -> None:
    hits = total = 0
    for user_id in artifacts.user_ids[2:].tolist():
        best = set(ids(recommender.recommend(user_id, exact=True)))
        found = ids(recommender.recommend(user_id))
        hits, total = hits + len(best & set(found)), total + len(best)
    assert hits / total >= 0.95


def no_annoy(artifacts: Artifacts) -> Recommender:
    """The same version, searched exactly, whose annoy index cannot answer."""
    facts = artifacts.index_facts.model_copy(update={"search": "exact"})
    return Recommender(replace(artifacts, index_facts=facts, index=None))  # type: ignore[arg-type]


@pytest.mark.parametrize("filter", [None, lambda movie: "Drama" in movie.genres])
def test_where_the_manifest_says_exact_annoy_is_not_asked(
    recommender: Recommender, artifacts: Artifacts, filter: Filter | None
) -> None:
    exactly = no_annoy(artifacts)
    for user_id in artifacts.user_ids.tolist():
        expected = recommender.recommend(user_id, filter=filter, exact=True)
        assert exactly.recommend(user_id, filter=filter) == expected
    assert exactly.recommend_for([2, 9]) == recommender.recommend_for([2, 9], exact=True)
    genres = ["Drama"]
    assert exactly.recommend_for_features(genres) == recommender.recommend_for_features(
        genres, exact=True
    )


def test_annoy_and_exact_search_give_an_item_the_same_score(
    recommender: Recommender, artifacts: Artifacts
) -> None:
    for user_id in artifacts.user_ids.tolist():
        exact = {i.movie_id: i.score for i in recommender.recommend(user_id, 300, exact=True).items}
        for item in recommender.recommend(user_id, 5).items:
            assert item.score == exact[item.movie_id]


def test_similar_does_not_mind_how_long_vectors_are(artifacts: Artifacts) -> None:
    rng = np.random.default_rng(3)
    lengths = (10.0 ** rng.uniform(-28, 28, (len(artifacts.item_ids), 1))).astype(np.float32)
    items = artifacts.item_embeddings.copy()
    items[:, :-2] *= lengths
    stretched = Recommender(replace(artifacts, item_embeddings=items))
    for movie_id in artifacts.item_ids[::50].tolist():
        expected = Recommender(artifacts).similar(movie_id)
        answer = stretched.similar(movie_id)
        assert ids(answer) == ids(expected)
        scores = [item.score for item in expected.items]
        assert [item.score for item in answer.items] == pytest.approx(scores, rel=1e-4)


def test_strength_has_the_order_of_the_score_between_0_and_1(recommender: Recommender) -> None:
    items = recommender.recommend(TRAINED, 300, exact=True).items
    strengths = [item.strength for item in items]
    assert [item.score for item in items] == sorted((i.score for i in items), reverse=True)
    assert strengths == sorted(strengths, reverse=True)
    assert all(0 <= strength <= 1 for strength in strengths)


@pytest.mark.parametrize(
    ("user_id", "tier"),
    [(TRAINED, "model"), (UNTRAINED, "fold_in"), (UNRATED, "popular"), (STRANGER, "popular")],
)
def test_the_answer_names_its_tier(recommender: Recommender, user_id: int, tier: str) -> None:
    answer = recommender.recommend(user_id, 5)
    assert (answer.tier, len(answer.items), answer.user_id) == (tier, 5, user_id)


@pytest.mark.parametrize("user_id", [TRAINED, UNTRAINED])
@pytest.mark.parametrize("exact", [True, False])
def test_seen_items_are_left_out_unless_asked_for(
    recommender: Recommender, artifacts: Artifacts, user_id: int, exact: bool
) -> None:
    seen = seen_of(artifacts, user_id)
    everything = ids(recommender.recommend(user_id, 300, exclude_seen=False, exact=exact))
    unseen = ids(recommender.recommend(user_id, 300, exact=exact))
    assert set(everything) == set(artifacts.item_ids.tolist())
    assert unseen == [movie for movie in everything if movie not in seen]


def test_a_filter_is_asked_before_the_list_is_full(recommender: Recommender) -> None:
    dramas = recommender.recommend(TRAINED, 20, filter=lambda movie: "Drama" in movie.genres)
    assert len(dramas.items) == 20
    assert all(item.genres == ("Drama",) for item in dramas.items)
    assert recommender.recommend(TRAINED, 5, filter=lambda movie: False).items == ()


def test_a_newcomer_is_served_from_the_movies_that_they_like(recommender: Recommender) -> None:
    answer = recommender.recommend_for([2, 9, 424242], 5)
    assert answer.tier == "fold_in"
    assert not {2, 9} & set(ids(answer))
    assert recommender.recommend_for([424242], 5).tier == "popular"
    assert recommender.recommend_for([], 5).tier == "popular"


def test_a_newcomer_who_likes_what_a_user_has_seen_gets_much_the_same(
    recommender: Recommender, artifacts: Artifacts
) -> None:
    user_id = UNTRAINED
    as_user = recommender.recommend(user_id, 10, exact=True)
    as_newcomer = recommender.recommend_for(sorted(seen_of(artifacts, user_id)), 10, exact=True)
    assert ids(as_user) == ids(as_newcomer)


def test_genres_alone_lead_to_a_list(recommender: Recommender) -> None:
    assert recommender.recommend_for_features(["Drama", "Nonsense"], 5).tier == "fold_in"
    assert recommender.recommend_for_features(["Nonsense"], 5).tier == "popular"


def test_similar_orders_by_cosine_and_leaves_the_movie_itself_out(
    recommender: Recommender, artifacts: Artifacts
) -> None:
    vectors = artifacts.item_embeddings[:, :-2]
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    order = np.argsort(-(vectors @ vectors[0]), kind="stable")
    assert ids(recommender.similar(2, 7)) == artifacts.item_ids[order[1:8]].tolist()
    with pytest.raises(NotFound, match="no movie 3"):
        recommender.similar(3)


@pytest.mark.parametrize("k", [0, -1, 10_001])
def test_a_length_out_of_bounds_is_refused(recommender: Recommender, k: int) -> None:
    with pytest.raises(SettingsError):
        recommender.recommend(TRAINED, k)


@pytest.mark.parametrize("user_id", [2**63, -(2**70)])
def test_an_id_beyond_64_bits_is_refused(recommender: Recommender, user_id: int) -> None:
    with pytest.raises(SettingsError, match="64 bits"):
        recommender.recommend(user_id)


def test_the_same_question_gives_the_same_answer(recommender: Recommender) -> None:
    assert recommender.recommend(TRAINED) == recommender.recommend(TRAINED)
