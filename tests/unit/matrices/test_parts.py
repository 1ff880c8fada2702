"""A function mapped over parts gives the same result for any number of threads, combined in order."""

import operator
import pickle
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.matrices.parts import DTYPES, InMemory, Part, PartTask, Threads, map_parts


def sums(part, factor):
    return np.float32(factor) * part.sum(axis=0, dtype=np.float32)


def listed(part):
    return [part]


@given(st.integers(1, 9), st.integers(1, 12))
def test_threads_change_no_byte(threads, n_parts):
    generator = np.random.default_rng(n_parts)
    parts = InMemory([generator.standard_normal((30, 4), np.float32) for _ in range(n_parts)])
    one, many = (
        map_parts(sums, parts, operator.iadd, Threads(count), 0.3) for count in (1, threads)
    )
    assert one.tobytes() == many.tobytes()


def slow_first(number):
    time.sleep(0.05 if number == 0 else 0)
    return [number]


def test_results_are_combined_in_the_order_of_the_parts():
    found = map_parts(slow_first, InMemory(range(20)), operator.add, Threads(4))
    assert found == list(range(20))


def test_few_results_wait_to_be_combined():
    begun, lock = [], threading.Lock()

    def begin(number):
        with lock:
            begun.append(number)
        return number

    results = Threads(2).results(PartTask(begin, InMemory(range(50))))
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 4
    assert list(results) == list(range(1, 50))


def test_a_task_reaches_other_processes():
    task = PartTask(sums, InMemory([np.ones((2, 3), np.float32)]), (2.0,))
    again = pickle.loads(pickle.dumps(task))
    assert again(0).tolist() == [4.0, 4.0, 4.0]


def test_arrays_that_do_not_fit_together_are_refused():
    arrays = {name: np.zeros(3, dtype.lstrip("<|")) for name, dtype in DTYPES.items()}
    with pytest.raises(ArtifactRefused, match="do not fit together"):
        Part.from_arrays(0, 5, arrays)
