"""The paired bootstrap covers what it should and repeats itself."""

import tracemalloc

import numpy as np
import pytest

from recsys_tasks.model.intervals import paired


def test_the_same_values_differ_by_nothing():
    values = np.linspace(0, 1, 50, dtype=np.float32)
    found = paired(values, values, seed=1)
    assert (found.difference, found.low, found.high, found.users) == (0, 0, 0, 50)


def test_the_same_seed_gives_the_same_interval():
    generator = np.random.default_rng(0)
    first, second = generator.random((2, 80)).astype(np.float32)
    assert paired(first, second, seed=3) == paired(first, second, seed=3)


def test_the_interval_is_about_two_standard_errors_to_each_side():
    first = np.random.default_rng(0).normal(0.3, 1, 4000).astype(np.float32)
    found = paired(first, np.zeros(4000, dtype=np.float32), seed=1)
    error = first.std() / np.sqrt(4000)
    assert found.difference == pytest.approx(first.mean(), abs=1e-6)
    assert found.high - found.difference == pytest.approx(1.96 * error, rel=0.15)
    assert found.difference - found.low == pytest.approx(1.96 * error, rel=0.15)


def test_pairing_sees_a_small_gain_that_every_user_has():
    noise = np.random.default_rng(0).normal(0, 1, 300).astype(np.float32)
    found = paired(noise + np.float32(0.01), noise, seed=1)
    assert found.low > 0.009


def test_a_hundred_thousand_different_values_take_no_more_than_a_few_copies_of_them():
    first, second = np.random.default_rng(0).random((2, 100_000)).astype(np.float32)
    tracemalloc.start()
    try:
        paired(first, second, seed=1, resamples=20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * 8 * len(first)
