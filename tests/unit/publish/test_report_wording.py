"""Numbers in the report read as a person would say them."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.publish.report import wording


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (wording.measure(0.13372), "0.134"),
        (wording.measure(0.13372, 0.0176), "0.134 ± 0.018"),
        (wording.measure(0.92, 0.0039), "0.920 ± 0.004"),
        (wording.measure(41.734), "41.7"),
        (wording.measure(1.0), "1"),
        (wording.count(100004), "100,004"),
        (wording.share(0.9852), "98.5 %"),
        (wording.share(0.0164), "1.6 %"),
        (wording.share(0.42), "42 %"),
        (wording.share(1), "100 %"),
        (wording.share(0), "0 %"),
        (wording.duration(0.0000099), "9.9 µs"),
        (wording.duration(0.00025), "0.25 ms"),
        (wording.duration(0.41), "0.41 s"),
        (wording.duration(12.4), "12 s"),
        (wording.duration(59.9), "1 min 00 s"),
        (wording.duration(125), "2 min 05 s"),
        (wording.duration(7500), "2 h 05 min"),
        (wording.memory(512), "512 MB"),
        (wording.memory(1512), "1.5 GB"),
        (wording.setting(True), "on"),
        (wording.setting([5, 10]), "5, 10"),
        (wording.setting(""), wording.NOTHING),
        (wording.metric("ndcg_at_10"), "NDCG@10"),
        (wording.metric("hit_rate_at_5"), "hit rate@5"),
        (wording.rule("a_rule_of_tomorrow"), "A rule of tomorrow"),
    ],
)
def test_a_value_is_said_as_a_person_would(said: str, words: str) -> None:
    assert said == words


@pytest.mark.parametrize("say", [wording.measure, wording.count, wording.share])
@pytest.mark.parametrize("value", [None, math.nan, math.inf, "0.1", True])
def test_what_is_no_number_is_a_dash(say: Any, value: Any) -> None:
    assert say(value) == wording.NOTHING


@given(st.floats(0, 1e6), st.floats(1e-9, 1e3))
def test_a_value_and_its_interval_have_the_same_decimals(value: float, interval: float) -> None:
    left, right = wording.measure(value, interval).split(" ± ")
    assert len(left.partition(".")[2]) == len(right.partition(".")[2])
