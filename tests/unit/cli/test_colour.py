"""Colour is for a terminal."""

import sys

import pytest

from recsys_tasks.cli.colour import coloured


@pytest.mark.parametrize(
    ("terminal", "no_colour", "said"),
    [
        (True, "", "\x1b[31mRejected\x1b[0m: x, \x1b[32maccepted\x1b[0m"),
        (True, "1", "Rejected: x, accepted"),
        (False, "", "Rejected: x, accepted"),
    ],
)
def test_text_is_coloured_only_where_stdout_is_a_terminal_and_nobody_objects(
    monkeypatch, terminal, no_colour, said
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("NO_COLOR", no_colour)
    assert coloured("Rejected: x, accepted") == said
