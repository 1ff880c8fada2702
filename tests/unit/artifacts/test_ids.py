"""External ids: numbers or text, in any order, and the rows that they have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.artifacts.ids import IdLookup, id_at, id_list, is_text, whole_number

numbers = st.integers(0, 2**63 - 1)
texts = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20
)


def stored(ids):
    """Ids as a version stores them."""
    if all(isinstance(one, int) for one in ids):
        return np.array(ids, np.int64)
    return np.array([str(one).encode() for one in ids])


@given(
    st.one_of(st.lists(numbers, min_size=1, unique=True), st.lists(texts, min_size=1, unique=True))
)
def test_each_id_has_its_row_whatever_the_order(ids):
    lookup = IdLookup(stored(ids))
    assert lookup.rows(lookup.ids).tolist() == list(range(len(ids)))
    assert [lookup.row(one) for one in ids] == list(range(len(ids)))
    assert id_list(lookup.ids) == ids
    assert id_at(lookup.ids, len(ids) - 1) == ids[-1]


@given(st.lists(texts, min_size=1, unique=True), texts)
def test_a_stranger_has_no_row(ids, stranger):
    ids = [one for one in ids if one != stranger]
    lookup = IdLookup(np.array([one.encode() for one in ids] or [b"x"], dtype="S80"))
    if stranger != "x":
        assert lookup.row(stranger) == -1
        assert lookup.rows(stored([stranger])).tolist() == [-1]


@given(st.lists(numbers, min_size=1, unique=True))
def test_a_number_and_its_digits_are_one_id(ids):
    as_numbers = IdLookup(np.array(ids, np.int64))
    as_text = IdLookup(np.array([str(one).encode() for one in ids]))
    assert as_numbers.rows(as_text.ids).tolist() == list(range(len(ids)))
    assert as_text.rows(as_numbers.ids).tolist() == list(range(len(ids)))
    assert [as_numbers.row(str(one)) for one in ids] == [as_text.row(one) for one in ids]


def test_rows_of_numbers_in_order() -> None:
    asked = np.array([9, 1, 5, 10, 2, -(2**63), 2**63 - 1])
    assert IdLookup(np.array([2, 5, 9])).rows(asked).tolist() == [2, -1, 1, -1, 0, -1, -1]


def test_an_id_that_only_looks_like_another_has_no_row():
    as_text = IdLookup(np.array([b"a", b"7"]))
    assert [as_text.row(one) for one in ("a\0", "A", "a ", "aa", "", "07", -7)] == [-1] * 7
    as_numbers = IdLookup(np.array([7, 3]))
    asked = ("07", "+7", "7.0", "\u0667", "-7", str(2**63), 2**80, -7)
    assert [as_numbers.row(one) for one in asked] == [-1] * len(asked)


def test_text_is_written_as_it_was_read():
    ids = ["Ünï", "بغداد", "🛒", "two words", "x" * 255]
    lookup = IdLookup(stored(ids))
    assert id_list(lookup.ids) == ids
    assert is_text(lookup.ids)
    assert not is_text(np.array([b"ok", b"\xc3"]))


@pytest.mark.parametrize(("ids", "unique"), [([3, 1, 2], True), ([3, 1, 3], False)])
def test_repeats_are_seen_in_any_order(ids, unique):
    assert IdLookup(np.array(ids)).are_unique == unique
    assert IdLookup(np.array([b"%d" % one for one in ids])).are_unique == unique


def test_only_canonical_digits_are_a_number():
    assert [whole_number(text) for text in ("0", "10", str(2**63 - 1))] == [0, 10, 2**63 - 1]
    for text in ("", "00", "01", "-1", "+1", " 1", "1 ", "1e3", "²", str(2**63)):
        assert whole_number(text) is None
