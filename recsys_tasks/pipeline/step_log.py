"""Records of each step: its time, its peak memory, and how it ended.

A step that begins takes away its own note and those of the steps after it, so whatever notes there are
tell of the run's latest course: a step that was killed has none, and nothing of an earlier try stays.
A shard of a step has a note of its own, which no other shard writes to.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.redaction import redacted
from recsys_tasks.errors import RecsysError
from recsys_tasks.pipeline.machine import peak_memory
from recsys_tasks.pipeline.step_list import ORDER, SHARDS, STEPS, StepSpec

log = logging.getLogger(__name__)

StepRecord = dict[str, Any]
"""``step``; ``task`` that it tells of; ``seconds`` that it took; ``peak_mb``, largest memory of its process,
in MB; ``failure``, the sentence of its error, empty if it ended well."""


def shard_task(number: int, of: int) -> str:
    """What a shard's notes are called."""
    return f"{SHARDS}.{number:05d}-of-{of:05d}"


def step_of(task: str) -> StepSpec:
    """The step that a task or a shard of one belongs to."""
    return next(step for step in STEPS if task.partition(".")[0] in step.task_ids)


@dataclass(frozen=True)
class StepLog:
    """The notes of one run.

    Args:
        store: the bucket. When it is away, a note is lost with a warning: a note fails no step.
        prefix: of the notes' keys, with the last slash.
    """

    store: ObjectStore
    prefix: str

    def begin(self, task: str) -> None:
        """Takes away what this task left in an earlier try, and what came after it.

        The notes of a step's other shards stay: they run at the same time. Those of another number of
        shards go.
        """
        self._try(lambda: self._delete_from(task), f"clear the notes from {task} on")

    def end(self, task: str, seconds: float, failure: str = "") -> None:
        """Leaves a task's note."""
        note: StepRecord = {"step": step_of(task).name, "task": task.partition(".")[0]}
        note |= {"seconds": round(seconds, 3), "peak_mb": peak_mb(), "failure": redacted(failure)}
        self._try(
            lambda: self.store.put_json(self._key(task), note),
            f"note the fate of {task}",
        )

    def read(self) -> list[StepRecord]:
        """The steps' notes that there are, in the steps' order; of a step whose shard failed, the shard's."""
        tasks = self._tasks()
        found = [self._note_of(step, tasks) for step in STEPS]
        return [note for note in found if note is not None]

    def _note_of(self, step: StepSpec, tasks: list[str]) -> StepRecord | None:
        """A step's own note, else the note of its first shard that failed, else None: it has not ended."""
        if step.name in tasks:
            return self._get(step.name)
        shards = [self._get(task) for task in tasks if task.partition(".")[0] in step.before]
        return next((note for note in shards if note["failure"]), None)

    def _get(self, task: str) -> StepRecord:
        note: StepRecord = self.store.get_json(self._key(task))
        return note

    def _tasks(self) -> list[str]:
        """Tasks and shards that have a note, shards in order."""
        names = (stored.key.removeprefix(self.prefix) for stored in self.store.list(self.prefix))
        known = (name.removesuffix(".json") for name in names)
        every = {task for step in STEPS for task in step.task_ids}
        return sorted(task for task in known if task.partition(".")[0] in every)

    def _delete_from(self, task: str) -> None:
        step = step_of(task)
        later = {one for other in STEPS[ORDER.index(step.name) + 1 :] for one in other.task_ids}
        for other in self._tasks():
            if (
                other in (task, step.name)
                or other.partition(".")[0] in later
                or _outdates(task, other)
            ):
                self.store.delete(self._key(other))

    def _try(self, action: Callable[[], object], what: str) -> None:
        try:
            action()
        except RecsysError as error:
            log.warning("could not %s: %s", what, error)

    def _key(self, task: str) -> str:
        return f"{self.prefix}{task}.json"


def _outdates(task: str, other: str) -> bool:
    """Whether both are shards of one task, and not of the same number of them."""
    (name, _, shard), (other_name, _, other_shard) = task.partition("."), other.partition(".")
    same_number = shard.partition("-of-")[2] == other_shard.partition("-of-")[2]
    return name == other_name and not same_number


def peak_mb() -> int:
    """Most memory that this process has held so far, in MB."""
    return round(peak_memory() / 1e6)
