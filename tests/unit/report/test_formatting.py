"""Numbers in the report read as a person would say them."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.report import formatting


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (formatting.measure(0.13372), "0.134"),
        (formatting.measure(0.13372, 0.0176), "0.134 ± 0.018"),
        (formatting.measure(0.92, 0.0039), "0.920 ± 0.004"),
        (formatting.measure(41.734), "41.7"),
        (formatting.measure(1.0), "1"),
        (formatting.count(100004), "100,004"),
        (formatting.share(0.9852), "98.5 %"),
        (formatting.share(0.0164), "1.6 %"),
        (formatting.share(0.42), "42 %"),
        (formatting.share(1), "100 %"),
        (formatting.share(0), "0 %"),
        (formatting.duration(0.0000099), "9.9 µs"),
        (formatting.duration(0.00025), "0.25 ms"),
        (formatting.duration(0.41), "0.41 s"),
        (formatting.duration(12.4), "12 s"),
        (formatting.duration(59.9), "1 min 00 s"),
        (formatting.duration(125), "2 min 05 s"),
        (formatting.duration(7500), "2 h 05 min"),
        (formatting.memory(512), "512 MB"),
        (formatting.memory(1512), "1.5 GB"),
        (formatting.setting(True), "on"),
        (formatting.setting([5, 10]), "5, 10"),
        (formatting.setting(""), formatting.NOTHING),
        (formatting.metric("ndcg_at_10"), "NDCG@10"),
        (formatting.metric("hit_rate_at_5"), "hit rate@5"),
        (formatting.rule("a_rule_of_tomorrow"), "A rule of tomorrow"),
    ],
)
def test_a_value_is_said_as_a_person_would(said: str, words: str) -> None:
    assert said == words


@pytest.mark.parametrize("say", [formatting.measure, formatting.count, formatting.share])
@pytest.mark.parametrize("value", [None, math.nan, math.inf, "0.1", True])
def test_what_is_no_number_is_a_dash(say: Any, value: Any) -> None:
    assert say(value) == formatting.NOTHING


@given(st.floats(0, 1e6), st.floats(1e-9, 1e3))
def test_a_value_and_its_interval_have_the_same_decimals(value: float, interval: float) -> None:
    left, right = formatting.measure(value, interval).split(" ± ")
    assert len(left.partition(".")[2]) == len(right.partition(".")[2])


def test_a_histogram_of_types_stands_by_name_and_one_of_stars_by_number():
    assert sorted(["view", "buy", "10", "4.5", "5"], key=formatting.value_order) == [
        "4.5", "5", "10", "buy", "view"
    ]  # fmt: skip


def test_what_moved_is_told_of_stars_or_of_types():
    assert formatting.moved_share(0.25, ["4", "5"]).startswith(
        "25 % of the ratings would have to get other"
    )
    assert formatting.moved_share(0.25, ["view", "buy"]).startswith(
        "25 % of the events would have to be of"
    )
