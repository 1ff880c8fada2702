"""Free memory is the least of what the machine and its container leave; a peak is the process's own."""

import subprocess
import sys

import pytest

from recsys_tasks.pipeline import machine


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Stand-ins for the kernel's files, by name; a missing one cannot be read."""
    for name in ("LIMIT", "USED", "MEMINFO"):
        monkeypatch.setattr(machine, name, tmp_path / name)

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / name).write_text(text)

    return write


def test_without_a_limit_it_is_what_the_kernel_says(files):
    files(MEMINFO="MemTotal: 900 kB\nMemAvailable: 500 kB\n", LIMIT="max\n", USED="100\n")
    assert machine.available_memory() == 500 * 1024


def test_under_a_containers_limit_it_is_what_is_left_of_it(files):
    files(MEMINFO="MemAvailable: 500 kB\n", LIMIT="2000\n", USED="700\n")
    assert machine.available_memory() == 1300


def test_a_full_container_has_nothing_left(files):
    files(MEMINFO="MemAvailable: 500 kB\n", LIMIT="2000\n", USED="2100\n")
    assert machine.available_memory() == 0


def test_a_machine_that_tells_nothing_is_not_held_back(files):
    assert machine.available_memory() == 2**63


def test_this_machine_has_some_memory():
    assert machine.available_memory() > 0


@pytest.mark.skipif(not machine.STATUS.exists(), reason="NOT TESTED: needs Linux's /proc")
def test_the_peak_is_a_process_own_not_that_of_the_one_it_was_forked_from():
    forked = """
import os
from recsys_tasks.pipeline.machine import peak_memory
large = b"x" * 300_000_000
assert peak_memory() > len(large)
del large
child = os.fork()
if not child:
    print(peak_memory(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    told = subprocess.run([sys.executable, "-c", forked], capture_output=True, text=True)
    assert 0 < int(told.stdout) < 200_000_000, told.stderr
