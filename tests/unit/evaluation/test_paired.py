"""Candidate and champion are asked only what both know and the champion was not told."""

import numpy as np
import pytest
import scipy.sparse as sp

from recsys_tasks.evaluation.paired import PairedEvaluation, ScoredVersion
from recsys_tasks.evaluation.served import BY_MODEL, Served
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.model.representations import Embeddings


def by_model(embeddings):
    """A version that serves everyone by their own vector."""
    nobody = np.zeros((0, embeddings.items.shape[1]), dtype=np.float32)
    everyone = np.full(embeddings.n_users, BY_MODEL, dtype=np.int32)
    return Served(embeddings, everyone, nobody, np.zeros(embeddings.n_items, np.float32))


def contender(user_ids, item_ids, item_scores):
    """Scores items alike for everyone."""
    return ScoredVersion(
        IdMap(np.array(user_ids, dtype=np.int64)),
        IdMap(np.array(item_ids, dtype=np.int64)),
        by_model(
            Embeddings(
                np.ones((len(user_ids), 1), dtype=np.float32),
                np.array(item_scores, dtype=np.float32)[:, None],
            )
        ),
    )


def liked(pairs, shape):
    row, col = (np.array(side, dtype=np.int32) for side in zip(*pairs, strict=True))
    n = len(row)
    return Interactions(
        shape,
        row,
        col,
        np.ones(n, dtype=np.float32),
        np.ones(n, dtype=bool),
        np.zeros(n, dtype=int),
    )


ITEMS = list(range(100, 120))
RISING, FALLING = list(range(20)), list(range(20))[::-1]
NOTHING = sp.csr_matrix((2, 20), dtype=np.int8)


def compare(*asked):
    match = PairedEvaluation.of(*asked)
    return match and match.comparison(match.count())


def test_a_candidate_that_finds_what_the_champion_misses_gains_it_all():
    new, old = contender([1, 2], ITEMS, RISING), contender([1, 2], ITEMS, FALLING)
    test = liked([(0, 19), (1, 18)], (2, 20))
    found = compare(new, old, test, test.csr(), NOTHING)
    assert found.precision_at_5.difference == pytest.approx(0.2)
    assert found.precision_at_5.users == 2
    assert (found.churn, found.movers) == (1.0, (1, 2))


def test_the_same_version_changes_nothing():
    version = contender([1, 2], ITEMS, RISING)
    test = liked([(0, 19), (1, 18)], (2, 20))
    found = compare(version, version, test, test.csr(), NOTHING)
    assert found.precision_at_5.low == found.precision_at_5.high == 0
    assert (found.churn, found.movers) == (0.0, ())


def test_rows_that_the_champion_was_trained_on_are_not_asked():
    new, old = contender([1, 2], ITEMS, RISING), contender([1, 2], ITEMS, FALLING)
    trained = liked([(0, 19)], (2, 20)).csr()
    test = liked([(0, 19), (1, 18)], (2, 20))
    assert compare(new, old, test, test.csr(), trained).precision_at_5.users == 1
    assert compare(new, old, test, test.csr(), test.csr()) is None


def test_only_shared_users_and_items_count_and_rows_follow_their_ids():
    """The champion has other users, items before and after, and its rows in other places."""
    new = contender([1, 2, 9], ITEMS, RISING)
    old = contender([0, 2], [5, *ITEMS[:19]], [99, *range(19)])
    test = liked([(0, 3), (1, 18), (1, 19), (2, 2)], (3, 20))
    found = compare(new, old, test, test.csr(), sp.csr_matrix((2, 20), dtype=np.int8))
    assert found.precision_at_5.users == 1
    assert found.precision_at_5.difference == 0
    assert found.churn == 0


def test_what_a_user_has_rated_is_in_neither_list():
    new, old = contender([1], ITEMS, RISING), contender([1], ITEMS, FALLING)
    test = liked([(0, 9)], (1, 20))
    seen = sp.csr_matrix(np.arange(20)[None] != 3, dtype=np.int8)
    found = compare(new, old, test, seen, sp.csr_matrix((1, 20), dtype=np.int8))
    assert found.precision_at_5.difference == 0
    assert found.churn == 0
