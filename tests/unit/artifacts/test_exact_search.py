"""Exact search gives what scoring every item gives, to the last bit, and looks at few where it can."""

from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recsys_tasks.artifacts import exact_search
from recsys_tasks.artifacts.exact_search import ExactSearch, exact_scores

ANY = st.floats(width=32, allow_nan=False, allow_infinity=False)
EQUAL_OFTEN = st.integers(-2, 2).map(float)
VALUES = st.one_of(ANY, EQUAL_OFTEN, st.floats(-1, 1, width=32))


@pytest.fixture(autouse=True)
def _small_blocks() -> Iterator[None]:
    """Blocks so small that a handful of items fills several."""
    with mock.patch.multiple(exact_search, FIRST=2, LARGEST=4):
        yield


def by_full_scan(
    items: np.ndarray, query: np.ndarray, k: int, mask: np.ndarray
) -> tuple[list[int], list[float]]:
    scores = exact_scores(items, query)
    order = [row for row in np.argsort(-scores, kind="stable") if mask[row]][:k]
    return [int(row) for row in order], scores[order].tolist()


@given(st.data())
def test_the_answer_is_that_of_a_full_scan_with_ties_by_row(data: st.DataObject) -> None:
    n, c = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 5))
    elements = data.draw(st.sampled_from([ANY, EQUAL_OFTEN, VALUES]))
    items = data.draw(arrays(np.float32, (n, c), elements=elements))
    query = data.draw(arrays(np.float32, c, elements=elements))
    k = data.draw(st.integers(1, n + 2))
    excluded = np.flatnonzero(data.draw(arrays(np.bool_, n)))
    mask = data.draw(st.none() | arrays(np.bool_, n))
    rows = np.flatnonzero(
        data.draw(arrays(np.bool_, n, elements=st.sampled_from([True] * 9 + [False])))
    )

    users = data.draw(st.none() | arrays(np.float32, (2, c), elements=elements))

    search = ExactSearch(items, rows, users)
    found = search.best(query, k, excluded, None if mask is None else mask.__getitem__)
    may = np.isin(np.arange(n), rows) & ~np.isin(np.arange(n), excluded)
    expected = by_full_scan(items, query, k, may if mask is None else may & mask)
    assert (found.rows.tolist(), found.scores.tolist()) == expected


@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(1, 300))
def test_an_items_score_does_not_depend_on_its_company(seed: int, n: int, c: int) -> None:
    rng = np.random.default_rng(seed)
    items, query = rng.normal(size=(n, c)).astype(np.float32), rng.normal(size=c).astype(np.float32)
    together = exact_scores(items, query)
    some = rng.permutation(n)[: n // 2 + 1]
    assert exact_scores(items[some], query).tolist() == together[some].tolist()
    assert exact_scores(items[-1:], query)[0] == together[-1]
    assert np.allclose(together, items.astype(np.float64) @ query, rtol=1e-12, atol=1e-12)


def test_long_items_are_found_without_a_look_at_the_short_ones() -> None:
    rng = np.random.default_rng(3)
    lengths = np.concatenate([np.full(100, 50.0), np.full(20_000, 1.0)])
    items = rng.normal(size=(len(lengths), 16)) * rng.permutation(lengths)[:, None]
    search = ExactSearch(items.astype(np.float32))
    looked = [search.best(rng.normal(size=16).astype(np.float32), 10).looked_at for _ in range(50)]
    assert max(looked) < 200


def test_users_whose_columns_are_small_where_items_are_not_change_little() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(20_000, 16)) * rng.lognormal(sigma=2, size=(20_000, 1))
    items = np.column_stack([vectors, rng.normal(size=20_000)]).astype(np.float32)
    users = np.column_stack([rng.normal(size=(50, 16)), np.ones(50)]).astype(np.float32)
    scale = np.append(np.logspace(-4, 4, 16), 1).astype(np.float32)
    even, uneven = ExactSearch(items, users=users), ExactSearch(items / scale, users=users * scale)
    unaware = ExactSearch(items / scale)
    looked = np.array(
        [
            [even.best(user, 10).looked_at]
            + [search.best(user * scale, 10).looked_at for search in (uneven, unaware)]
            for user in users
        ]
    )
    expected, found, without_users = looked.mean(axis=0)
    assert found < 2 * expected < without_users


def test_a_column_without_items_does_not_count() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(20_000, 16)) * rng.lognormal(sigma=2, size=(20_000, 1))
    items = np.column_stack([vectors, np.zeros(20_000)]).astype(np.float32)
    user = np.append(rng.normal(size=16) / 1000, 1).astype(np.float32)
    assert ExactSearch(items).best(user, 10).looked_at < 10_000


def test_a_query_of_zeros_gives_the_first_rows() -> None:
    items = np.random.default_rng(3).normal(size=(50, 4)).astype(np.float32)
    assert ExactSearch(items).best(np.zeros(4, np.float32), 3).rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    items = np.ones((3, 2), np.float32)
    with pytest.raises(ValueError, match="query"):
        ExactSearch(items).best(np.array([1, bad], np.float32), 1)
    items[1, 1] = bad
    with pytest.raises(ValueError, match="items"):
        ExactSearch(items)
    with pytest.raises(ValueError, match="users"):
        ExactSearch(np.ones((3, 2), np.float32), users=items)


def test_no_items_give_no_answer() -> None:
    search = ExactSearch(np.ones((3, 2), np.float32), np.empty(0, np.int64))
    assert search.best(np.ones(2, np.float32), 5).rows.tolist() == []
