"""Slices part the test positives as they say, and measure what is in them alone."""

import numpy as np
import scipy.sparse as sp

from recsys_tasks.evaluation.ranking import Parts, rank
from recsys_tasks.evaluation.slices import slice_masks, slice_metrics
from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.model.representations import Embeddings


def liked(pairs, shape, times=None):
    row, col = (np.array(side, dtype=np.int32) for side in zip(*pairs, strict=True))
    n = len(row)
    return Interactions(
        shape,
        row,
        col,
        np.ones(n, dtype=np.float32),
        np.ones(n, dtype=bool),
        np.array(times or [0] * n, dtype=np.int64),
    )


SHAPE = (3, 4)
TRAIN = liked([(0, 0), (1, 0), (1, 1), (1, 2)], SHAPE, [5, 6, 7, 8])
TEST = liked([(0, 1), (0, 3), (2, 0)], SHAPE, [9, 50, 10])
PARTS = Parts.of(TRAIN, TEST, (TRAIN.csr() + TEST.csr()).astype(np.int8))
MASKS = slice_masks(PARTS, TRAIN, TEST)


def test_each_positive_is_in_the_slices_that_its_user_and_item_say():
    members = {name: mask.tolist() for name, mask in MASKS.items()}
    assert members["users.0"] == [False, False, True]
    assert members["users.1-4"] == [True, True, False]
    assert members["items.head"] == [False, False, True]
    assert members["items.tail"] == [True, False, False]
    assert members["items.cold"] == [False, True, False]
    assert members["items.newest"] == [False, True, False]


def test_activities_part_the_users_and_popularities_the_items():
    by_user = sum(mask.astype(int) for name, mask in MASKS.items() if name.startswith("users."))
    kinds = ("items.head", "items.tail", "items.cold")
    assert by_user.tolist() == sum(MASKS[name].astype(int) for name in kinds).tolist() == [1, 1, 1]


def test_a_slice_of_items_counts_only_its_own_positives():
    scorer = Embeddings(
        np.ones((3, 1), dtype=np.float32), np.array([[4], [3], [2], [1]], dtype=np.float32)
    )
    found = slice_metrics(rank(scorer, PARTS), PARTS, MASKS)
    assert found["items.tail"]["users"] == 1
    assert found["items.tail"]["precision_at_5"] == 0.2
    assert found["items.tail"]["ndcg_at_10"] == 1.0
    assert found["items.cold"]["recall_at_10"] == 1.0


def test_a_slice_without_a_positive_says_so_and_nothing_else():
    scorer = Embeddings(np.ones((3, 1), dtype=np.float32), np.ones((4, 1), dtype=np.float32))
    found = slice_metrics(rank(scorer, PARTS), PARTS, MASKS)
    assert found["users.20+"] == {"users": 0, "positives": 0}


def test_parts_of_an_empty_test_have_empty_slices():
    nothing = TEST.take(np.array([], dtype=np.intp))
    parts = Parts.of(TRAIN, nothing, sp.csr_matrix(SHAPE, dtype=np.int8))
    assert all(not len(mask) for mask in slice_masks(parts, TRAIN, nothing).values())
