"""What a newcomer meets before there is an environment: one line that says what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recsys_tasks.devstack.folders import outside_folder

PROJECT = Path(__file__).parents[3]


def _setup(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROJECT / "scripts" / "setup"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )


def test_an_interpreter_that_does_not_fit_is_one_line():
    done = _setup(PYTHON="false")
    assert done.returncode == 1
    assert done.stderr.startswith("setup: needs Python 3.11, 3.12 or 3.13")
    assert done.stderr.count("\n") == 1


def test_a_missing_compiler_is_one_line():
    done = _setup(PYTHON=sys.executable, CXX="no-such-compiler")
    assert done.returncode == 1
    assert done.stderr.startswith("setup: needs the C++ compiler no-such-compiler")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(shutil.which("make") is None, reason="NOT TESTED: no make here")
def test_make_clean_removes_the_folder_that_lies_outside_a_closed_clone():
    printed = subprocess.run(
        ["make", "-n", "clean"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert str(outside_folder(PROJECT / ".recsys")) in printed
