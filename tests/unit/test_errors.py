"""Errors survive pickling, read as a sentence, and say how a runner should end."""

import pickle

import pytest

from recsys_tasks.errors import (
    ArtifactRefused,
    DatabaseUnavailable,
    GateRejected,
    InputRejected,
    RecsysError,
    SettingsError,
)

ERRORS = [
    (InputRejected("ratings.csv", "no header", "userId", "Add one.", 1, "userId"), 3),
    (GateRejected(("precision 0.01 < 0.05",)), 3),
    (ArtifactRefused("items.ann", "sha256 differs"), 3),
    (SettingsError("train.epoch: no such setting"), 2),
    (DatabaseUnavailable("connection refused"), 4),
]


@pytest.mark.parametrize(("error", "exit_code"), ERRORS)
def test_an_error_survives_pickling_and_keeps_its_sentence_and_exit_code(error, exit_code):
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, RecsysError)
    assert (str(again), again.args, again.exit_code) == (str(error), error.args, exit_code)


def test_a_rejected_input_names_place_fault_expectation_and_advice():
    error = InputRejected("r.csv", "found 'x'", "a number", "Fix it.", 3, "rating")
    assert str(error) == "r.csv, line 3, rating: found 'x'; expected a number. Fix it."
