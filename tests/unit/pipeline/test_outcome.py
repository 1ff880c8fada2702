"""What a run came to: which steps failed, as far as their notes tell."""

from datetime import UTC, datetime
from html import escape

import pytest

from recsys_tasks.pipeline.outcome import (
    UNKNOWN_FAILURE,
    failures_of,
    outcome_of,
    report_of_refusal,
    write_report,
)
from recsys_tasks.pipeline.run import Run, RunFiles
from recsys_tasks.pipeline.step_list import APPROVAL, ORDER, SHARDS


def note(step, failure="", task=None):
    told = {"step": step, "task": task or step, "failure": failure}
    return {**told, "seconds": 1.0, "peak_mb": 100}


def until(step):
    """Notes of all steps before one."""
    return [note(name) for name in ORDER[: ORDER.index(step)]]


@pytest.mark.parametrize(
    ("notes", "failed"),
    [
        ([note(step) for step in ORDER], []),
        ([], [("migrate", UNKNOWN_FAILURE)]),
        ([*until("train"), note("train", "refused")], [("train", "refused")]),
        (until("train"), [("train", UNKNOWN_FAILURE)]),
        (
            [*until("gate"), note("gate", "low"), note("promote", "away")],
            [("gate", "low"), ("promote", "away")],
        ),
        (
            [*until("evaluate"), note("evaluate", "shard 1: away", SHARDS)],
            [(SHARDS, "shard 1: away")],
        ),
    ],
    ids=["none", "killed at once", "refused", "killed", "overruled by a person", "a shard"],
)
def test_every_failure_is_told_and_a_step_that_never_began_is_not(notes, failed):
    assert [(each["step"], each["failure"]) for each in failures_of(notes)] == failed


def test_a_step_without_a_note_fails_of_what_was_heard_of_it():
    told = {"train": "the store is away", "gate": "never asked"}
    found = failures_of(until("train"), told.get)
    assert found == [{"step": "train", "failure": "the store is away"}]


@pytest.mark.parametrize(("step", "task"), [("evaluate", SHARDS), ("promote", APPROVAL)])
def test_what_a_task_that_belongs_to_a_step_failed_of_is_told_in_its_own_name(step, task):
    found = failures_of(until(step), {task: "no"}.get)
    assert found == [{"step": task, "failure": "no"}]


def test_a_persons_no_rejects_the_version_and_a_failed_promotion_does_not():
    for task, verdict in ((APPROVAL, "rejected"), ("promote", "failed")):
        failures = failures_of(until("promote"), {task: "rejected by ann"}.get)
        outcome = outcome_of({"run": {"dataset": "m"}, "failures": failures})
        assert (outcome["verdict"], outcome["reason"]) == (verdict, f"{task}: rejected by ann")


def test_the_outcome_names_all_of_them():
    failures = [{"step": "gate", "failure": "low"}, {"step": "promote", "failure": "away"}]
    outcome = outcome_of({"run": {"dataset": "m"}, "failures": failures})
    assert (outcome["verdict"], outcome["reason"]) == ("failed", "gate: low; promote: away")


class Bucket:
    """What the store keeps of a run."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, key, data):
        self.kept[key] = data

    def put_json(self, key, value):
        self.kept[key] = str(value).encode()


def test_a_reports_links_keep_their_names_and_its_settings_no_secret():
    bucket, run = Bucket(), Run("tiny", "recsys_train", "r", datetime(2026, 11, 24, tzinfo=UTC))
    refused = report_of_refusal(run, {"source.movies": "https://me:planted@host/m.csv"}, "no")
    link = "https://airflow/recsys/leave?dag_id=recsys_train&run_id=r"
    write_report(RunFiles(bucket, run), refused, lambda _facts: {"Run": link})
    page = next(data for key, data in bucket.kept.items() if key.endswith("report.html")).decode()
    assert escape(link) in page
    assert not any(b"planted" in data for data in bucket.kept.values())
