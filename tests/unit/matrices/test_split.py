"""Splits: the article's exactly, and properties that every method keeps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightfm.cross_validation import random_train_test_split

from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Interactions, build_id_maps, build_interactions
from recsys_tasks.matrices.split import Split, split
from recsys_tasks.settings import PositiveSettings, SplitSettings


def pairs(part):
    return set(zip(part.row.tolist(), part.col.tolist(), strict=True))


@st.composite
def graded_interactions(draw):
    """Up to 40 interactions of up to 6 users, at least three positives, some weaker."""
    cells = draw(
        st.lists(
            st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=6, max_size=40, unique=True
        )
    )
    row, col = (np.array(side, dtype=np.int32) for side in zip(*sorted(cells), strict=True))
    n = len(row)
    positive = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    positive[:5] = True
    times = draw(st.lists(st.integers(0, 30), min_size=n, max_size=n))
    return Interactions(
        (6, 10),
        row,
        col,
        np.where(positive, 1, 0.5).astype(np.float32),
        positive,
        np.array(times, dtype=np.int64),
    )


methods = st.sampled_from(["random", "time", "leave_last"])


@pytest.mark.parametrize("seed", [42, 7])
def test_the_random_split_is_lightfms_order_included(real_tables, seed):
    ratings, movies = real_tables
    found = build_interactions(
        ratings, *build_id_maps(ratings, movies), PositiveSettings(liked_weight=0)
    )
    ours = split(found.positives(), SplitSettings(seed=seed, validation_fraction=0))
    train, test = random_train_test_split(
        found.positives().coo(), test_percentage=0.2, random_state=np.random.RandomState(seed)
    )
    assert np.array_equal(ours.train.row, train.row)
    assert np.array_equal(ours.train.col, train.col)
    assert np.array_equal(ours.test.row, test.row)
    assert np.array_equal(ours.test.col, test.col)


@given(graded_interactions())
def test_weaker_positives_change_nothing_about_the_test_part(interactions):
    settings = SplitSettings(test_fraction=0.4, validation_fraction=0)
    graded, bare = split(interactions, settings), split(interactions.positives(), settings)
    assert np.array_equal(graded.test.col, bare.test.col)
    assert pairs(interactions.take(~interactions.is_positive)) <= pairs(graded.train)


@given(graded_interactions(), methods, st.sampled_from([0.0, 0.5]))
def test_parts_are_disjoint_and_together_hold_no_stranger(interactions, method, validation):
    settings = SplitSettings(method=method, test_fraction=0.3, validation_fraction=validation)
    try:
        parts = split(interactions, settings)
    except TrainingRefused:
        return
    held = [parts.train, parts.test] + ([parts.validation] if parts.validation else [])
    union = set().union(*map(pairs, held))
    assert sum(map(len, held)) == len(union)
    assert union <= pairs(interactions)
    assert parts.test.is_positive.all()
    assert pairs(parts.train_and_validation()) == union - pairs(parts.test)


@given(graded_interactions(), methods)
def test_weights_and_times_stay_with_their_interactions(interactions, method):
    known = {
        cell: (weight, moment)
        for *cell, weight, moment in zip(
            interactions.row.tolist(),
            interactions.col.tolist(),
            interactions.weight.tolist(),
            interactions.rated_at.tolist(),
            strict=True,
        )
        for cell in [tuple(cell)]
    }
    try:
        parts = split(
            interactions, SplitSettings(method=method, test_fraction=0.3, validation_fraction=0)
        )
    except TrainingRefused:
        return
    for part in (parts.train, parts.test):
        values = zip(part.weight.tolist(), part.rated_at.tolist(), strict=True)
        cells = zip(part.row.tolist(), part.col.tolist(), strict=True)
        assert dict(zip(cells, values, strict=True)) == {c: known[c] for c in pairs(part)}


@given(graded_interactions(), st.sampled_from([0.0, 0.4]))
def test_by_time_nothing_trained_on_is_as_young_as_anything_held_back(interactions, validation):
    settings = SplitSettings(method="time", test_fraction=0.3, validation_fraction=validation)
    try:
        parts = split(interactions, settings)
    except TrainingRefused:
        return
    assert parts.train_and_validation().rated_at.max() < parts.test.rated_at.min()
    if parts.validation is not None:
        assert parts.train.rated_at.max() < parts.validation.rated_at.min()


@given(graded_interactions(), st.integers(1, 3))
def test_leave_last_holds_back_the_youngest_n_of_each_user_who_has_more(interactions, n):
    try:
        parts = split(
            interactions, SplitSettings(method="leave_last", last_n=n, validation_fraction=0)
        )
    except TrainingRefused:
        return
    for user in range(interactions.shape[0]):
        mine = interactions.positives().take(interactions.positives().row == user)
        held = parts.test.take(parts.test.row == user)
        assert len(held) == (n if len(mine) > n else 0)
        trained = parts.train.take(parts.train.row == user)
        if len(held):
            assert trained.rated_at.max() <= held.rated_at.min()


@given(graded_interactions(), methods)
def test_the_same_settings_give_the_same_split(interactions, method):
    settings = SplitSettings(method=method, test_fraction=0.3, validation_fraction=0)
    try:
        once = split(interactions, settings).to_arrays()
    except TrainingRefused:
        return
    again = split(interactions, settings).to_arrays()
    assert all(np.array_equal(once[name], again[name]) for name in once)


def test_arrays_give_the_same_split_back(real_tables):
    ratings, movies = real_tables
    found = build_interactions(
        ratings, *build_id_maps(ratings, movies), PositiveSettings(liked_weight=0)
    )
    for fraction in (0.0, 0.1):
        arrays = split(found, SplitSettings(validation_fraction=fraction)).to_arrays()
        again = Split.from_arrays(arrays)
        assert (again.validation is None) == (fraction == 0)
        assert all(np.array_equal(again.to_arrays()[name], arrays[name]) for name in arrays)


def test_no_positive_at_all_is_refused_with_the_numbers():
    nothing = np.zeros(0)
    empty = Interactions(
        (3, 3),
        nothing.astype(np.int32),
        nothing.astype(np.int32),
        nothing.astype(np.float32),
        nothing.astype(bool),
        nothing.astype(np.int64),
    )
    for method in ("random", "time", "leave_last"):
        with pytest.raises(TrainingRefused, match="0 positives"):
            split(empty, SplitSettings(method=method, validation_fraction=0))
