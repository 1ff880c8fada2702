"""What is gathered from blocks equals what the whole table gives, however the blocks are cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.config.settings import PositiveSettings
from recsys_tasks.data.tables import RatingTable
from recsys_tasks.errors import DataCheckFailed, NotFound
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import build_interactions, build_seen
from recsys_tasks.matrices.interactions_builder import (
    COLUMNS,
    InteractionsBuilder,
    StreamedInteractions,
)

ITEMS = IdMap(np.array([2, 3, 5, 2**40, 2**53]))
GRADED = PositiveSettings(threshold=5, weak_threshold=4, weak_weight=0.5)

pairs = st.tuples(st.sampled_from([1, 4, 9, 2**53]), st.sampled_from(ITEMS.ids.tolist()))
rated = st.dictionaries(pairs, st.tuples(st.integers(1, 10), st.integers(1, 2**31)), max_size=20)


def table_of(rows: dict[tuple[int, int], tuple[int, int]]) -> RatingTable:
    order = sorted(rows)
    return RatingTable(
        np.array([user for user, _ in order], dtype=np.int64),
        np.array([movie for _, movie in order], dtype=np.int64),
        np.array([rows[pair][0] / 2 for pair in order], dtype=np.float32),
        np.array([rows[pair][1] for pair in order], dtype=np.int64),
    )


def gathered_in_blocks(
    table: RatingTable, cuts: list[int]
) -> tuple[StreamedInteractions, np.ndarray]:
    gathering, seen = InteractionsBuilder(ITEMS, GRADED), [np.empty(0, np.int32)]
    for first, last in zip([0, *cuts], [*cuts, len(table)], strict=True):
        block = RatingTable(*(column[first:last] for column in vars(table).values()))
        seen.append(gathering.take(block))
    return gathering.finish(), np.concatenate(seen)


@given(rated, st.data())
def test_any_blocks_give_what_the_whole_table_gives(rows, data):
    table = table_of(rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(table)), max_size=6)))
    found, seen = gathered_in_blocks(table, cuts)
    users = IdMap(np.unique(table.user_id))
    whole, everything = (
        build_interactions(table, users, ITEMS, GRADED),
        build_seen(table, users, ITEMS),
    )
    assert np.array_equal(found.users.ids, users.ids)
    assert found.interactions.shape == whole.shape
    for name in COLUMNS:
        ours, theirs = getattr(found.interactions, name), getattr(whole, name)
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)
    assert np.array_equal(seen, everything.indices)
    assert np.array_equal(found.seen_indptr, everything.indptr)


@given(rated)
def test_the_tally_counts_what_the_table_holds(rows):
    table = table_of(rows)
    tally = gathered_in_blocks(table, [])[0].tally
    stars = [half_stars / 2 for half_stars, _ in rows.values()]
    assert tally.ratings == len(rows)
    assert tally.histogram() == {f"{star:g}": stars.count(star) for star in sorted(set(stars))}
    assert tally.at_least(4.5) == sum(star >= 4.5 for star in stars)
    assert tally.rated_movies == len({movie for _, movie in rows})
    moments = [moment for _, moment in rows.values()] or [0]
    assert (tally.oldest, tally.newest) == (min(moments), max(moments))


def test_blocks_out_of_order_and_unknown_movies_are_refused():
    late, early = table_of({(9, 2): (10, 1)}), table_of({(4, 2): (10, 1)})
    gathering = InteractionsBuilder(ITEMS, GRADED)
    gathering.take(late)
    gathering.take(early)
    with pytest.raises(DataCheckFailed, match="ascending"):
        gathering.finish()
    with pytest.raises(NotFound, match="id 7 "):
        InteractionsBuilder(ITEMS, GRADED).take(table_of({(1, 7): (10, 1)}))
