"""Id maps: numbers or text, in any order, with the keys that a dictionary gave them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.config.settings import SplitSettings
from recsys_tasks.errors import DataCheckFailed, NotFound
from recsys_tasks.matrices.ids import IdMap, IdMaps
from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.matrices.split import split, split_facts

ids = st.lists(st.integers(0, 2**53), min_size=1, max_size=50, unique=True)


@given(ids, st.booleans())
def test_rows_are_found_in_any_order_as_numbers_and_as_text(numbers, as_text):
    plain = np.array(numbers, np.int64)
    found = IdMap(np.array([b"u%d" % one for one in numbers]) if as_text else plain)
    assert found.rows_of(found.ids[::-1]).tolist() == list(range(len(numbers)))[::-1]
    assert found.rows_of(found.ids).dtype == np.int32
    stranger = np.array([b"v1"]) if as_text else np.array([max(numbers) + 1])
    assert not found.known(stranger).any()


def test_repeats_and_bad_keys_are_refused():
    text = np.array([b"b", b"a"])
    for bad in (
        (np.array([1, 3, 1]),),
        (np.array([b"b", b"b"]),),
        (np.array([-1, 2]),),
        (text, np.array([1, 0])),
        (text, np.array([-1, 0])),
        (text, np.array([0])),
    ):
        with pytest.raises(DataCheckFailed):
            IdMap(*bad)


def test_an_unknown_text_is_named():
    with pytest.raises(NotFound, match="id SKU-9 is not among the 1 known ids"):
        IdMap(np.array([b"SKU-1"])).rows_of(np.array([b"SKU-1", b"SKU-9"]))


def test_text_without_keys_cannot_be_divided():
    assert IdMap(np.array([5, 3])).split_keys.tolist() == [5, 3]
    assert IdMap(np.array([b"x"]), np.array([8])).split_keys.tolist() == [8]
    with pytest.raises(DataCheckFailed, match="no keys"):
        IdMap(np.array([b"x"])).split_keys  # noqa: B018 (reading it raises)


def test_arrays_give_the_same_maps_back():
    maps = IdMaps(
        IdMap(np.array([b"x", b"a"]), np.array([0, 4])), IdMap(np.array([7]), np.array([2]))
    )
    again = IdMaps.from_arrays(maps.to_arrays())
    assert again.have_keys
    assert again.users.ids.tolist() == [b"x", b"a"]
    assert again.users.split_keys.tolist() == [0, 4]
    assert again.items.split_keys.tolist() == [2]
    plain = IdMaps(IdMap(np.array([1, 2])), IdMap(np.array([7])))
    assert sorted(plain.to_arrays()) == ["items", "users"]
    assert not IdMaps.from_arrays(plain.to_arrays()).have_keys


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=25), st.integers(0, 99))
def test_the_same_keys_divide_alike_whether_ids_are_numbers_or_text(cells, seed):
    row, col = (np.array(side, np.int32) for side in zip(*sorted(cells), strict=True))
    ones = np.ones(len(row))
    interactions = Interactions(
        (6, 10), row, col, ones.astype(np.float32), ones.astype(bool), ones.astype(np.int64)
    )
    keys = np.array([3, 4, 7, 9, 20, 21]), np.arange(10)
    parts = [
        split(
            interactions,
            SplitSettings(method="random", seed=seed, test_fraction=0.5, validation_fraction=0),
            *(IdMap(made(side), side) for side in keys),
        )
        for made in (
            lambda side: side * 7 % 1000,
            lambda side: np.array([b"u%d" % n for n in side]),
        )
    ]
    for name in ("train", "test"):
        one, other = (getattr(part, name) for part in parts)
        assert np.array_equal(one.row, other.row)
        assert np.array_equal(one.col, other.col)


def test_the_facts_of_a_split_say_what_decides():
    wanted = SplitSettings(method="random")
    assert split_facts(wanted)["membership"] != split_facts(wanted, by_keys=True)["membership"]
