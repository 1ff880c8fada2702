"""Metrics by hand, by their properties, and against a second way of computing them.

The properties restate what LightFM's own tests of its evaluation check: precision and recall are
those of the sorted list, AUC is the area under the curve, one value a user with positives, ties
count against the model, and what is trained on cannot be tested.
"""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import ndcg_score, roc_auc_score

from recsys_tasks.errors import TrainingRefused
from recsys_tasks.evaluation import metrics
from recsys_tasks.evaluation.ranking import NOBODY, Parts, grouped, rank
from recsys_tasks.matrices.interactions import Interactions


class Given:
    """A scorer that was told its scores."""

    def __init__(self, scores):
        self.told = np.asarray(scores, dtype=np.float32)

    def scores(self, users):
        return self.told[users].copy()


def interactions(matrix):
    row, col = (side.astype(np.int32) for side in np.nonzero(matrix))
    n = len(row)
    return Interactions(
        matrix.shape,
        row,
        col,
        np.ones(n, dtype=np.float32),
        np.ones(n, dtype=bool),
        np.zeros(n, dtype=np.int64),
    )


def ranks_of(*per_user, n_items=50):
    """Ranks told outright: one list a user."""
    flat = np.concatenate([np.array(mine, dtype=np.int32) for mine in per_user])
    indptr = np.concatenate(([0], np.cumsum([len(mine) for mine in per_user])))
    places = np.concatenate([np.arange(len(mine)) for mine in per_user])
    positives = sp.csr_matrix((np.ones(len(flat)), places, indptr), shape=(len(per_user), n_items))
    return grouped(positives, flat)


@st.composite
def questions(draw, tied):
    """Scores of up to 5 users for up to 12 items, with train and test positives, disjoint."""
    n_users, n_items = draw(st.integers(1, 5)), draw(st.integers(3, 12))
    if tied:
        scores = draw(hnp.arrays(np.float32, (n_users, n_items), elements=st.integers(0, 3)))
    else:
        orders = [draw(st.permutations(range(n_items))) for _ in range(n_users)]
        scores = np.array(orders, dtype=np.float32)
    kinds = draw(hnp.arrays(np.int8, (n_users, n_items), elements=st.integers(0, 2)))
    kinds[0, 0] = 1
    return scores, interactions(kinds == 2), interactions(kinds == 1)


def ranked(question):
    scores, train, test = question
    seen = (train.csr() + test.csr()).astype(np.int8)
    return rank(Given(scores), Parts.of(train, test, seen), list_length=3)


@given(questions(tied=False), st.integers(1, 12))
def test_precision_and_recall_are_those_of_the_sorted_list(question, k):
    scores, _, test = question
    liked = test.csr().toarray() > 0
    ranks = ranked(question).views["test_unmasked"]
    top = np.argsort(-scores, axis=1)[:, :k]
    hits = np.take_along_axis(liked, top, axis=1).sum(axis=1)[ranks.users]
    assert metrics.precision_at_k(ranks, k) == pytest.approx(hits / k)
    assert metrics.recall_at_k(ranks, k) == pytest.approx(hits / liked.sum(axis=1)[ranks.users])
    assert metrics.hit_rate_at_k(ranks, k).tolist() == (hits > 0).tolist()


@given(questions(tied=False))
def test_auc_and_ndcg_are_sklearns(question):
    scores, _, test = question
    liked = test.csr().toarray() > 0
    ranks = ranked(question).views["test_unmasked"]
    for user, area, gain in zip(
        ranks.users, metrics.auc(ranks), metrics.ndcg_at_k(ranks, 5), strict=True
    ):
        expected = 0.5 if liked[user].all() else roc_auc_score(liked[user], scores[user])
        assert area == pytest.approx(expected)
        assert gain == pytest.approx(
            ndcg_score(liked[user : user + 1], scores[user : user + 1], k=5)
        )


@given(questions(tied=True))
def test_leaving_training_items_out_is_ranking_without_them(question):
    """Each view equals the plain ranks of scores in which what it leaves out can never stand before."""
    scores, train, test = question
    without = np.where(train.csr().toarray() > 0, -1, scores)
    view = ranked(question).views["test"]
    plain = ranked((without, train, test)).views["test_unmasked"]
    assert np.array_equal(view.values, plain.values)
    n_items, n_test = scores.shape[1], np.diff(view.indptr)
    n_train = np.diff(train.csr().indptr)[view.users]
    assert view.n_negatives.tolist() == (n_items - n_test - n_train).tolist()


@given(questions(tied=True))
def test_every_metric_is_in_its_range_and_one_a_user_with_positives(question):
    _, _, test = question
    for view in ranked(question).views.values():
        for values in metrics.measure(view, (1, 3)).values():
            assert len(values) == len(view.users)
            assert ((values >= 0) & (values <= 1)).all()
    assert ranked(question).views["test"].users.tolist() == np.unique(test.row).tolist()


def test_when_all_scores_tie_the_model_has_nothing_right():
    test = interactions(np.array([[1, 0, 0, 0]]))
    ranks = ranked((np.zeros((1, 4)), interactions(np.zeros((1, 4))), test)).views["test"]
    assert metrics.precision_at_k(ranks, 1).tolist() == [0]
    assert metrics.auc(ranks).tolist() == [0]
    assert metrics.reciprocal_rank(ranks).tolist() == [0.25]


def test_a_user_who_likes_every_item_has_an_auc_of_one_half():
    everything = interactions(np.ones((1, 4)))
    ranks = ranked((np.arange(4)[None], interactions(np.zeros((1, 4))), everything)).views["test"]
    assert metrics.auc(ranks).tolist() == [0.5]
    assert metrics.recall_at_k(ranks, 4).tolist() == [1]


def test_what_is_trained_on_cannot_be_tested():
    both = interactions(np.array([[1, 1]]))
    with pytest.raises(TrainingRefused, match="2 interactions are both"):
        Parts.of(both, both, both.csr())


def test_one_user_and_one_item_have_a_rank():
    alone = ranked((np.ones((1, 1)), interactions(np.zeros((1, 1))), interactions(np.ones((1, 1)))))
    assert alone.views["test_served"].values.tolist() == [0]
    assert alone.lists.tolist() == [[0, NOBODY, NOBODY]]


def test_map_and_ndcg_by_hand():
    """Users: nothing found; first of one; first, third and fourth of three; all of three.

    MAP is RecTools' published example of the same lists; NDCG is over what can be achieved.
    """
    ranks = ranks_of([20], [0], [0, 2, 3], [0, 1, 2])
    ap_1, ap_3 = (metrics.average_precision_at_k(ranks, k) for k in (1, 3))
    assert ap_1 == pytest.approx([0, 1, 1 / 3, 1 / 3])
    assert ap_3 == pytest.approx([0, 1, 5 / 9, 1])
    third = (1 + 1 / 2) / (1 + 1 / np.log2(3) + 1 / 2)
    assert metrics.ndcg_at_k(ranks, 3) == pytest.approx([0, 1, third, 1])
    assert metrics.reciprocal_rank(ranks) == pytest.approx([1 / 21, 1, 1, 1])


def test_coverage_gini_and_novelty_by_hand():
    lists = np.array([[0, 1], [0, 2], [0, NOBODY]], dtype=np.int32)
    assert metrics.coverage(lists, 4) == 0.75
    # Shown 0, 1, 1 and 3 times: (-3 * 0 - 1 * 1 + 1 * 1 + 3 * 3) / (4 * 5).
    assert metrics.exposure_gini(lists, 4) == pytest.approx(9 / 20)
    counts = np.array([4, 2, 0, 9])
    novelty = metrics.novelty(lists, counts, n_users=4)
    assert novelty == pytest.approx([(0 + 1) / 2, (0 + 2) / 2, 0])


def test_even_exposure_has_no_concentration():
    assert metrics.exposure_gini(np.array([[0, 1], [2, 3]], dtype=np.int32), 4) == 0
    assert metrics.exposure_gini(np.full((2, 2), NOBODY, dtype=np.int32), 4) == 0
