"""What events are worth: each rule against a plain loop, in blocks of any size."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.config.settings import EventSettings, PositiveSettings
from recsys_tasks.data.tables import EventTable
from recsys_tasks.matrices.events import EventRule, PairTable, WholePairs

TYPES = ("view", "cart", "buy")
WEIGHTS = {"view": 0.1, "cart": 0.4, "buy": 1.0}
DAY = 86_400_000_000


def table(rows: list[tuple[int, int, int, float, int]]) -> EventTable:
    """Events (user, item, type, value, day) in the order of the reader."""
    rows = sorted(rows, key=lambda row: (row[0], row[1], row[2], row[4]))
    user, item, kind, value, day = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return EventTable(
        np.array(user, np.int32),
        np.array(item, np.int32),
        np.array(kind, np.int16),
        np.array(value, np.float64),
        np.array(day, np.int64) * DAY,
    )


def rule(weights=WEIGHTS, days=0.0, newest=0, **events) -> EventRule:
    settings = EventSettings(weights=weights, **events)
    return EventRule(settings, PositiveSettings(half_life_days=days), TYPES, newest=newest * DAY)


def combined(events: EventTable, by: EventRule, size: int = 1_000) -> list[tuple]:
    """The pairs as (user, item, weight, positive, day), read in blocks of ``size``."""
    whole, found = WholePairs(), []
    for at in range(0, len(events), size):
        found.append(by.combine(whole.add(events.cut(at, at + size))))
    rest = whole.finish()
    found += [by.combine(rest)] if rest is not None else []
    return [row for pairs in found for row in rows_of(pairs)]


def rows_of(pairs: PairTable) -> list[tuple]:
    weight = np.round(pairs.weight.astype(float), 5)
    day = pairs.at // 86_400
    columns = (pairs.user_row, pairs.item_row, weight, pairs.is_positive, day)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def by_loop(events: EventTable, by: EventRule) -> list[tuple]:
    """The same by one pair after the other."""
    of = defaultdict(list)
    for user, item, kind, at in zip(
        events.user_row, events.item_row, events.type, events.at, strict=True
    ):
        of[int(user), int(item)].append((int(at) // DAY, WEIGHTS[TYPES[kind]]))
    found = []
    for (user, item), each in sorted(of.items()):
        fade = by.positives.half_life_days
        worth = [
            (day, w * (0.5 ** ((by.newest // DAY - day) / fade) if fade else 1), w == 1)
            for day, w in each
        ]
        if by.repeats == "last":
            latest = max(day for day, _, _ in worth)
            worth = [one for one in worth if one[0] == latest]
        weights = [weight for _, weight, _ in worth]
        weight = min(sum(weights), 1) if by.repeats == "sum" else max(weights)
        strong = [day for day, _, is_strong in worth if is_strong]
        day = max(strong or [day for day, _, _ in worth])
        found.append((user, item, round(weight, 5), bool(strong), day))
    return found


events_of_some_users = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 3), st.integers(0, 2), st.just(np.nan), st.integers(0, 30)
    ),
    max_size=40,
)


@given(
    events_of_some_users,
    st.sampled_from(["sum", "last", "max"]),
    st.sampled_from([0, 7]),
    st.integers(1, 9),
)
def test_a_rule_in_blocks_of_any_size_is_what_a_loop_makes_of_all(rows, repeats, days, size):
    events = table(rows)
    by = rule(repeats=repeats, days=days, newest=30)
    expected = by_loop(events, by)
    for got, wanted in zip(combined(events, by, size), expected, strict=True):
        assert got == pytest.approx(wanted, abs=2e-5)


def test_only_the_type_that_is_held_out_is_a_full_positive():
    events = table([(0, 0, 0, np.nan, 1), (0, 1, 1, np.nan, 2), (0, 2, 2, np.nan, 3)])
    assert [row[3] for row in combined(events, rule())] == [False, False, True]
    assert [row[3] for row in combined(events, rule(held_out="cart"))] == [False, True, False]


def test_a_pair_of_a_type_without_weight_is_seen_and_nothing_more():
    events = table([(0, 0, 0, np.nan, 1), (0, 1, 2, np.nan, 2)])
    rows = combined(events, rule(weights={"buy": 1.0}))
    assert [(row[1], row[2], row[3]) for row in rows] == [(0, 0, False), (1, 1, True)]


def test_without_weights_and_values_every_event_is_a_full_positive():
    events = table([(0, 0, 0, np.nan, 1), (0, 1, 1, np.nan, 2)])
    assert [row[2:4] for row in combined(events, rule(weights={}))] == [(1.0, True)] * 2


def test_values_without_weights_are_stars_and_the_last_one_counts():
    stars = [(0, 0, 0, 5.0, 1), (0, 0, 0, 3.0, 2), (0, 1, 0, 4.0, 1), (0, 2, 0, 5.0, 1)]
    rows = combined(table(stars), rule(weights={}))
    assert [row[1:4] for row in rows] == [(0, 0.0, False), (1, 0.5, False), (2, 1.0, True)]


def test_stars_of_another_scale_are_read_by_their_best_value():
    by = EventRule(EventSettings(), PositiveSettings(), TYPES, top_value=10)
    rows = combined(table([(0, 0, 0, 10.0, 1), (0, 1, 0, 8.0, 1), (0, 2, 0, 5.0, 1)]), by)
    assert [row[2:4] for row in rows] == [(1.0, True), (0.5, False), (0.0, False)]
