"""How many mapped tasks the evaluation and the search use: two numbers from the environment.

They are read when a DAG is parsed, so that its page shows the tasks as they will run.
"""

import os

from recsys_tasks.errors import SettingsError

AT_MOST = 1000


def evaluation_shards() -> int:
    """``RECSYS_EVALUATION_SHARDS``: tasks that the evaluation's users are divided among (1: none)."""
    return _number("RECSYS_EVALUATION_SHARDS")


def trials_at_once() -> int:
    """``RECSYS_TRIALS_AT_ONCE``: trials of a search that run side by side (1)."""
    return _number("RECSYS_TRIALS_AT_ONCE")


def _number(variable: str) -> int:
    """A whole number from 1 on, 1 where the variable is not set.

    Raises:
        SettingsError: it is something else; Airflow shows it as an import error.
    """
    text = os.environ.get(variable) or "1"
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= AT_MOST):
        raise SettingsError(f"{variable} is {text!r}: it takes a whole number from 1 to {AT_MOST}")
    return int(text)
