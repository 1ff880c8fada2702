"""What is measured of a user is what the recommender answers: by the same tier, the same vector, the same list."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_tasks.config.settings import EvaluateSettings
from recsys_tasks.evaluation.evaluate import evaluate_all, validator
from recsys_tasks.evaluation.ranking import Counts, Parts, Shard, count, rank
from recsys_tasks.evaluation.served import (
    BY_MODEL,
    BY_POPULARITY,
    Audience,
    liked_of,
    training_positives,
)
from recsys_tasks.matrices.interactions import Interactions, seen_csr
from recsys_tasks.matrices.split import Split
from recsys_tasks.model.representations import Embeddings

N_USERS, N_ITEMS, WIDTH = 12, 25, 4
TRAINED, WEAK, NOTHING = range(0, 6), range(6, 9), range(9, 12)


def interactions(cells):
    """Pairs of user and item, with whether each is a positive."""
    row, col, positive = (np.array(side) for side in zip(*sorted(cells), strict=True))
    n = len(row)
    return Interactions(
        (N_USERS, N_ITEMS),
        row.astype(np.int32),
        col.astype(np.int32),
        np.ones(n, np.float32),
        positive.astype(bool),
        np.zeros(n, np.int64),
    )


def case(seed):
    """Users with training positives, users with weaker ones alone, users with none; all are tested."""
    rng = np.random.default_rng(seed)
    train, test = [], []
    for user in range(N_USERS):
        items = rng.permutation(N_ITEMS)
        if user in TRAINED:
            train += [(user, item, place < 3) for place, item in enumerate(items[:6])]
        elif user in WEAK:
            train += [(user, item, False) for item in items[:4]]
        test += [(user, item, True) for item in items[6:8]]
    embeddings = Embeddings(
        rng.normal(size=(N_USERS, WIDTH + 2)).astype(np.float32),
        rng.normal(size=(N_ITEMS, WIDTH + 2)).astype(np.float32),
    )
    embeddings.users[:, -1] = embeddings.items[:, -2] = 1
    return interactions(train), interactions(test), embeddings


def seen_of(*parts):
    matrix = sum(part.csr() for part in parts).tocsr()
    matrix.sort_indices()
    return seen_csr(matrix.indptr.astype(np.int64), matrix.indices, N_ITEMS)


def test_tiers_follow_training_positives_then_weaker_ones():
    train, _, embeddings = case(1)
    place = Audience.of(train).served(embeddings).place
    assert (place[TRAINED] == BY_MODEL).all()
    assert place[WEAK].tolist() == [0, 1, 2]
    assert (place[NOTHING] == BY_POPULARITY).all()


def test_user_counts_are_training_positives_without_the_weaker_ones():
    train, _, _ = case(2)
    assert training_positives(train).tolist() == [3] * 6 + [0] * 6
    assert liked_of(train).lengths.tolist() == [6] * 6 + [4] * 3 + [0] * 3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_lists_that_are_measured_are_by_tier_and_only_in_the_view_of_what_is_served(seed):
    train, test, embeddings = case(seed)
    parts = Parts.of(train, test, seen_of(train, test))
    served = rank(Audience.of(train).served(embeddings), parts, 5)
    raw = rank(embeddings, parts, 5)
    assert np.array_equal(served.lists[TRAINED], raw.lists[TRAINED])
    popular = Audience.of(train).popular
    best = np.argsort(-popular, kind="stable")
    for user in NOTHING:
        assert served.lists[user].tolist() == best[:5].tolist()
    for view in ("test", "test_unmasked", "train"):
        assert np.array_equal(served.views[view].values, raw.views[view].values)


def test_ranks_as_served_are_those_of_the_scores_that_are_served():
    train, test, embeddings = case(5)
    seen = seen_of(train, test)
    parts = Parts.of(train, test, seen)
    served = Audience.of(train).served(embeddings)
    users = np.arange(N_USERS, dtype=np.int32)
    scores = served.scores(users)
    served.serve(scores, users)
    expected = []
    for user in range(N_USERS):
        open_items = np.setdiff1d(np.arange(N_ITEMS), parts.seen_not_tested[user].indices)
        expected += [
            int((scores[user, open_items] >= scores[user, item]).sum()) - 1
            for item in parts.test[user].indices
        ]
    assert rank(served, parts).served.tolist() == expected


@pytest.mark.parametrize("shards", [2, 5])
def test_shards_count_users_of_every_tier_as_one_pass_does(shards):
    train, test, embeddings = case(6)
    parts = Parts.of(train, test, seen_of(train, test))
    served = Audience.of(train).served(embeddings)
    whole = count(served, parts, block=3)
    ranges = [count(served, parts, block=3, shard=Shard(n, shards)) for n in range(shards)]
    joined = Counts.join(ranges)
    assert all(np.array_equal(vars(joined)[name], array) for name, array in vars(whole).items())


def test_users_without_a_training_row_are_measured_by_the_popular_list():
    """The model ranks their test items first by vectors that nobody trained: it gets no credit for that."""
    train, test, embeddings = case(7)
    flattered = embeddings.users.copy()
    for user in NOTHING:
        liked = test.col[test.row == user]
        flattered[user] = embeddings.items[liked].sum(axis=0) * 100
    parts = Split(train, None, test), seen_of(train, test), EvaluateSettings()
    for vectors in (embeddings.users, flattered):
        found = evaluate_all(Embeddings(vectors, embeddings.items), *parts).per_user
        for metric in ("precision_at_5", "mrr", "auc"):
            ours, popular = (
                found[f"{name}test_served.{metric}"][list(NOTHING)] for name in ("", "popular.")
            )
            assert np.array_equal(ours, popular)


def test_the_popular_list_that_is_measured_is_of_what_the_model_was_trained_on():
    train, test, embeddings = case(8)
    tested = test.col[np.isin(test.row, NOTHING)]
    untested = int(np.setdiff1d(np.arange(N_ITEMS), tested)[-1])
    held = interactions([(user, untested, True) for user in NOTHING])
    split = Split(train, held, test)
    seen = seen_of(train, held, test)
    lists = []
    for refit in (True, False):
        trained_on = split.trained_on(refit)
        found = evaluate_all(embeddings, split, seen, EvaluateSettings(), refit=refit)
        lists.append(found.metrics["baselines"]["popular"]["test_served"]["mrr"])
        place = Audience.of(trained_on).served(embeddings).place
        assert (place[NOTHING] == BY_MODEL).all() == refit
    assert lists[0] != lists[1]


def test_epochs_are_chosen_by_what_is_served(fitted):
    """A user without training positives validates nothing of the model's own vector."""
    split = fitted.split
    stranger = split.train.row == split.train.row[0]
    held = split.train.take(stranger)
    parts = Split(split.train.take(~stranger), held, split.test)
    validate = validator(parts, fitted.features, fitted.seen, EvaluateSettings(), "mrr")
    other = fitted.model.copy()
    other.user_embeddings[split.train.row[0]] *= -3
    assert validate(fitted.model).validation == validate(other).validation
