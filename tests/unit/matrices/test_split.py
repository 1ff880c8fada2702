"""Splits: the article's exactly, and properties that every method keeps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightfm.cross_validation import random_train_test_split

from recsys_tasks.config.settings import PositiveSettings, SplitSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices import split as splits
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import Interactions, build_id_maps, build_interactions
from recsys_tasks.matrices.split import Division, divide, pair_hash


def ids_of(interactions):
    """Ids that are the rows."""
    return tuple(IdMap(np.arange(n, dtype=np.int64)) for n in interactions.shape)


def split(interactions, settings, maps=None):
    return splits.split(interactions, settings, *(maps or ids_of(interactions)))


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


methods = st.sampled_from(["random", "shuffle", "time", "leave_last"])


@pytest.mark.parametrize("seed", [42, 7])
def test_the_shuffle_is_lightfms_order_included(real_tables, seed):
    ratings, movies = real_tables
    found = build_interactions(
        ratings, *build_id_maps(ratings, movies), PositiveSettings(weak_weight=0)
    )
    ours = split(
        found.positives(), SplitSettings(method="shuffle", seed=seed, validation_fraction=0)
    )
    train, test = random_train_test_split(
        found.positives().coo(), test_percentage=0.2, random_state=np.random.RandomState(seed)
    )
    assert np.array_equal(ours.train.row, train.row)
    assert np.array_equal(ours.train.col, train.col)
    assert np.array_equal(ours.test.row, test.row)
    assert np.array_equal(ours.test.col, test.col)


@given(graded_interactions())
def test_weaker_positives_change_nothing_about_the_test_part(interactions):
    settings = SplitSettings(method="shuffle", test_fraction=0.4, validation_fraction=0)
    graded, bare = split(interactions, settings), split(interactions.positives(), settings)
    assert np.array_equal(graded.test.col, bare.test.col)
    assert pairs(interactions.take(~interactions.is_positive)) <= pairs(graded.train)


def night(rated):
    """Interactions and id maps of a table of stars by (user id, item id)."""
    cells = sorted(rated)
    users, items = (np.unique([cell[side] for cell in cells]).astype(np.int64) for side in (0, 1))
    maps = IdMap(users), IdMap(items)
    positive = np.array([rated[cell] >= 5 for cell in cells])
    return (
        Interactions(
            (len(users), len(items)),
            maps[0].rows_of(np.array([user for user, _ in cells])),
            maps[1].rows_of(np.array([item for _, item in cells])),
            np.where(positive, 1, 0.5).astype(np.float32),
            positive,
            np.zeros(len(cells), dtype=np.int64),
        ),
        maps,
    )


def parts_of(rated, settings):
    """The pairs of each part, by external id."""
    interactions, (users, items) = night(rated)
    parts = split(interactions, settings, (users, items))
    return {
        name: {(int(users.ids[row]), int(items.ids[col])) for row, col in pairs(part)}
        for name, part in (
            ("train", parts.train),
            ("validation", parts.validation),
            ("test", parts.test),
        )
    }


tables = st.dictionaries(
    st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)),
    st.sampled_from([4.0, 5.0]),
    min_size=40,
    max_size=80,
)


@given(tables, tables, st.lists(st.integers(0, 39), max_size=20), st.integers(0, 2**32 - 1))
def test_no_pair_changes_its_part_when_ratings_are_added_removed_or_changed(
    first, added, removed, seed
):
    settings = SplitSettings(test_fraction=0.3, validation_fraction=0.3, seed=seed)
    pairs_of_first = list(first)
    changed = {pairs_of_first[place]: 9 - first[pairs_of_first[place]] for place in removed[:10]}
    second = {**first, **added, **changed}
    for place in removed[10:]:
        second.pop(pairs_of_first[place], None)
    try:
        yesterday, today = parts_of(first, settings), parts_of(second, settings)
    except TrainingRefused:
        return
    for tested in ("test", "validation"):
        assert not today[tested] & yesterday["train"]
    assert not today["test"] & yesterday["validation"]
    assert not yesterday["test"] & (today["train"] | today["validation"])


def test_the_shuffle_moves_pairs_between_parts_so_the_promise_above_can_fail():
    first = {(user, item): 5.0 for user in range(20) for item in range(20)}
    settings = SplitSettings(method="shuffle", validation_fraction=0)
    parts = [split(*night(rated)[:1], settings) for rated in (first, {**first, (0, 20): 5.0})]
    assert pairs(parts[1].test) & pairs(parts[0].train)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.6), st.floats(0.05, 0.6))
def test_the_random_split_keeps_the_shares_that_were_asked_for(seed, tested, validated):
    rated = {(user, item): 5.0 for user in range(60) for item in range(60)}
    settings = SplitSettings(test_fraction=tested, validation_fraction=validated, seed=seed)
    parts = split(*night(rated)[:1], settings)
    expected = {"test": tested, "validation": (1 - tested) * validated}
    for name, share in expected.items():
        n = len(getattr(parts, name))
        assert abs(n - 3600 * share) < 6 * np.sqrt(3600 * share * (1 - share)) + 1


@given(st.integers(0, 2**32 - 2))
def test_every_user_and_item_is_drawn_alike_and_each_seed_draws_anew(seed):
    interactions, maps = night({(user, item): 5.0 for user in range(64) for item in range(64)})
    table = (pair_hash(interactions, *maps, seed) / 2.0**64).reshape(64, 64)
    other = (pair_hash(interactions, *maps, seed + 1) / 2.0**64).reshape(64, 64)
    for side in (0, 1):
        assert np.abs(table.mean(axis=side) - 0.5).max() < 6 * np.sqrt(1 / 12 / 64)
    assert abs(np.corrcoef(table.ravel(), other.ravel())[0, 1]) < 6 / 64
    assert abs(np.corrcoef(table.ravel(), table.T.ravel())[0, 1]) < 6 / 64


def test_the_random_split_is_the_same_on_every_machine_and_in_every_version():
    """Versions that were published name this function: a change of it needs another name."""
    interactions, maps = night({(1, 2): 5.0, (3, 2): 5.0, (1, 2**31): 5.0})
    assert pair_hash(interactions, *maps, 42).tolist() == [
        17592914093553962002,
        16901375361111589348,
        16908140964753355758,
    ]


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
        once = split(interactions, settings)
    except TrainingRefused:
        return
    again = split(interactions, settings)
    assert_same(once.train, again.train)
    assert_same(once.test, again.test)


def assert_same(first, second):
    for name, array in first.to_arrays().items():
        assert np.array_equal(array, second.to_arrays()[name])


@given(graded_interactions(), methods, st.integers(0, 40))
def test_a_division_is_the_split_in_places_which_arrays_and_cuts_keep(interactions, method, cut):
    for fraction in (0.0, 0.3):
        settings = SplitSettings(method=method, test_fraction=0.3, validation_fraction=fraction)
        found = divide(interactions, settings, *ids_of(interactions))
        again = Division.from_arrays(found.to_arrays())
        assert (again.validation is None) == (fraction == 0)
        whole, cut = again.split(interactions), min(cut, len(interactions))
        halves = [
            found.within(first, last).split(interactions.take(slice(first, last)))
            for first, last in ((0, cut), (cut, len(interactions)))
        ]
        for name in ("train", "test"):
            in_order = np.argsort(getattr(found, name) >= cut, kind="stable")
            both = np.concatenate([getattr(half, name).col for half in halves])
            assert np.array_equal(both, getattr(whole, name).col[in_order])


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
    for method in ("random", "shuffle", "time", "leave_last"):
        with pytest.raises(TrainingRefused, match="0 positives"):
            split(empty, SplitSettings(method=method, validation_fraction=0))


@given(graded_interactions(), st.integers(1, 5))
def test_another_draw_of_validation_holds_as_many_positives_and_leaves_the_test_part_alone(
    found, number
):
    settings = SplitSettings(method="shuffle", test_fraction=0.3, validation_fraction=0.3)
    parts = split(found, settings)
    again, same = splits.redrawn(parts, number), splits.redrawn(parts, number)
    assert again.test is parts.test
    assert again.validation.is_positive.all()
    assert len(again.validation) == int(parts.validation.is_positive.sum())
    both = pairs(parts.train) | pairs(parts.validation)
    assert pairs(again.train) | pairs(again.validation) == both
    assert not pairs(again.train) & pairs(again.validation)
    assert pairs(same.validation) == pairs(again.validation)
