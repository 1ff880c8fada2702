"""What a run came to: which steps failed, as far as their notes tell."""

import pytest

from recsys_tasks.run_report import WORDLESS, failures_of, outcome_of

STEPS = ("ingest", "train", "gate", "promote")


def note(step, failure=""):
    return {"step": step, "seconds": 1.0, "peak_mb": 100, "failure": failure}


@pytest.mark.parametrize(
    ("notes", "failed"),
    [
        ([note(step) for step in STEPS], []),
        ([], [("ingest", WORDLESS)]),
        ([note("ingest"), note("train", "refused")], [("train", "refused")]),
        ([note("ingest")], [("train", WORDLESS)]),
        (
            [note("ingest"), note("train"), note("gate", "low"), note("promote", "away")],
            [("gate", "low"), ("promote", "away")],
        ),
        ([note("ingest", "bad"), note("gate")], [("ingest", "bad"), ("promote", WORDLESS)]),
    ],
    ids=["none", "killed at once", "refused", "killed", "overruled by a person", "two"],
)
def test_every_failure_is_told_and_a_step_that_never_began_is_not(notes, failed):
    assert [(each["step"], each["failure"]) for each in failures_of(notes, STEPS)] == failed


def test_a_step_without_a_note_fails_of_what_was_heard_of_it():
    told = {"train": "the store is away", "gate": "never asked"}
    found = failures_of([note("ingest")], STEPS, told.get)
    assert found == [{"step": "train", "failure": "the store is away"}]


def test_the_outcome_names_all_of_them():
    failures = [{"step": "gate", "failure": "low"}, {"step": "promote", "failure": "away"}]
    outcome = outcome_of({"run": {"dataset": "m"}, "failures": failures})
    assert (outcome["verdict"], outcome["reason"]) == ("failed", "gate: low; promote: away")
