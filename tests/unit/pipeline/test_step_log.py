"""Notes of a run's steps: the latest course of the run, each shard for itself."""

import pytest

from recsys_tasks.pipeline.step_list import ORDER, SHARDS, STEPS
from recsys_tasks.pipeline.step_log import StepLog, shard_task, step_of


class Stored:
    def __init__(self, key):
        self.key = key


class Shelf:
    """A store in a dict."""

    def __init__(self):
        self.objects = {}

    def put_json(self, key, value):
        self.objects[key] = value

    def get_json(self, key):
        return self.objects[key]

    def list(self, prefix):
        return [Stored(key) for key in sorted(self.objects) if key.startswith(prefix)]

    def delete(self, key):
        del self.objects[key]


@pytest.fixture
def notes():
    return StepLog(Shelf(), "steps/")


def ran(notes, task, failure=""):
    notes.begin(task)
    notes.end(task, 1.0, failure)


def fates(notes):
    return {note["step"]: (note["task"], note["failure"]) for note in notes.read()}


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_failed_shard_is_told_whichever_shard_ends_after_it(notes, failing):
    for number in range(3):
        ran(notes, shard_task(number, 3), "away" if number == failing else "")
    assert fates(notes) == {"evaluate": (SHARDS, "away")}


def test_shards_that_ended_well_are_not_an_evaluation_yet(notes):
    for number in range(2):
        ran(notes, shard_task(number, 2))
    assert fates(notes) == {}
    ran(notes, "evaluate")
    assert fates(notes) == {"evaluate": ("evaluate", "")}


def test_a_shard_that_succeeds_on_a_retry_takes_its_failure_back(notes):
    ran(notes, shard_task(0, 2), "away")
    ran(notes, shard_task(0, 2))
    assert fates(notes) == {}


def test_shards_of_another_number_of_workers_are_of_an_earlier_try(notes):
    ran(notes, shard_task(6, 7), "away")
    ran(notes, shard_task(0, 2))
    assert fates(notes) == {}


@pytest.mark.parametrize("begun", ["train", shard_task(0, 2), "evaluate"])
def test_what_begins_takes_away_what_came_after_it(notes, begun):
    for task in ("train", shard_task(0, 2), shard_task(1, 2), "evaluate", "gate", "promote"):
        ran(notes, task)
    notes.begin(begun)
    later = ORDER[ORDER.index(step_of(begun).name) :]
    assert not set(fates(notes)) & set(later)


def test_each_step_is_a_task_and_each_task_belongs_to_one_step():
    tasks = [task for step in STEPS for task in step.task_ids]
    assert len(tasks) == len(set(tasks))
    assert all(step_of(step.name) is step for step in STEPS)
