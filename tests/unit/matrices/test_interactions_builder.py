"""What is gathered from blocks equals what the whole table gives, however the blocks are cut."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.artifacts.arrays import read_npz
from recsys_tasks.config.settings import PositiveSettings
from recsys_tasks.data.tables import RatingTable
from recsys_tasks.errors import DataCheckFailed, NotFound
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import build_interactions, build_seen
from recsys_tasks.matrices.interactions_builder import InteractionsBuilder, StreamedInteractions
from recsys_tasks.matrices.parts import DTYPES, Part, join_csr, join_interactions
from recsys_tasks.matrices.parts_writer import PartsWriter

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
    table: RatingTable, cuts: list[int], part_ratings: int = 10**6
) -> tuple[StreamedInteractions, list[Part]]:
    """What was gathered, and the parts as their files hold them."""
    with TemporaryDirectory() as home:
        writer = PartsWriter(Path(home), len(ITEMS), part_ratings)
        gathering = InteractionsBuilder(ITEMS, GRADED, writer)
        for first, last in zip([0, *cuts], [*cuts, len(table)], strict=True):
            gathering.take(RatingTable(*(column[first:last] for column in vars(table).values())))
        found = gathering.finish()
        return found, [
            Part.from_arrays(facts.first, len(ITEMS), read_npz(path, path.name, DTYPES))
            for facts, path in zip(found.parts, sorted(Path(home).iterdir()), strict=True)
        ]


@given(rated, st.data())
def test_any_blocks_and_parts_give_what_the_whole_table_gives(rows, data):
    table = table_of(rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(table)), max_size=6)))
    found, parts = gathered_in_blocks(table, cuts, data.draw(st.integers(1, 25)))
    users = IdMap(np.unique(table.user_id))
    whole, everything = (
        build_interactions(table, users, ITEMS, GRADED),
        build_seen(table, users, ITEMS),
    )
    assert np.array_equal(found.users.ids, users.ids)
    joined = join_interactions([part.interactions() for part in parts])
    for name, array in whole.to_arrays().items():
        ours = joined.to_arrays()[name]
        assert ours.dtype == array.dtype
        assert np.array_equal(ours, array)
    seen = join_csr([part.seen() for part in parts])
    assert np.array_equal(seen.indices, everything.indices)
    assert np.array_equal(seen.indptr, everything.indptr)


@given(rated, st.integers(1, 25), st.integers(0, 20))
def test_a_part_ends_with_the_user_that_fills_it(rows, part_ratings, cut):
    table = table_of(rows)
    found, parts = gathered_in_blocks(table, [min(cut, len(table))], part_ratings)
    ends = np.cumsum([part.n_users for part in parts])
    assert [facts.first for facts in found.parts] == [0, *ends[:-1]]
    for part, facts in zip(parts, found.parts, strict=True):
        assert facts.ratings == part.seen_indptr[-1]
        assert facts.positives == part.is_positive.sum()
        held = part.interactions()
        assert facts.users_with_positives == len(np.unique(held.row[held.is_positive]))
        assert part.n_users < 2 or part.seen_indptr[-2] < part_ratings
    assert all(part.seen_indptr[-1] >= part_ratings for part in parts[:-1])


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


def test_blocks_out_of_order_and_unknown_movies_are_refused(tmp_path):
    late, early = table_of({(9, 2): (10, 1)}), table_of({(4, 2): (10, 1)})
    gathering = InteractionsBuilder(ITEMS, GRADED, PartsWriter(tmp_path, len(ITEMS), 10))
    gathering.take(late)
    gathering.take(early)
    with pytest.raises(DataCheckFailed, match="ascending"):
        gathering.finish()
    with pytest.raises(NotFound, match="id 7 "):
        gathering.take(table_of({(1, 7): (10, 1)}))
