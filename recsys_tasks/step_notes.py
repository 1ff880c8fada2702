"""What each step leaves of its own running, for the report: its time, its largest memory and its fate.

A step that begins takes away its own note and those of the steps after it, so whatever notes there are
tell of the run's latest course: a step that was killed has none, and nothing of an earlier try stays.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from recsys_tasks.errors import RecsysError
from recsys_tasks.machine import peak_memory
from recsys_tasks.publish.object_store import ObjectStore

log = logging.getLogger(__name__)

Note = dict[str, Any]
"""``step``; ``seconds`` that it took; ``peak_mb``, largest memory of its process, in MB; ``failure``, the
sentence of its error, empty if it ended well."""


@dataclass(frozen=True)
class StepNotes:
    """The notes of one run.

    Args:
        store: the bucket. When it is away, a note is lost with a warning: a note fails no step.
        prefix: of the notes' keys, with the last slash.
        order: the steps' names.
    """

    store: ObjectStore
    prefix: str
    order: tuple[str, ...]

    def begin(self, step: str) -> None:
        """Takes away what this step and the later ones left in an earlier try."""
        own_and_later = {self._key(name) for name in self.order[self.order.index(step) :]}
        self._try(lambda: self._delete(own_and_later), f"clear the notes from {step} on")

    def end(self, step: str, seconds: float, failure: str = "") -> None:
        """Leaves a step's note."""
        note = {"step": step, "seconds": round(seconds, 3), "peak_mb": peak_mb()}
        self._try(
            lambda: self.store.put_json(self._key(step), note | {"failure": failure}),
            f"note the fate of {step}",
        )

    def read(self) -> list[Note]:
        """The notes that there are, in the steps' order."""
        found = {stored.key for stored in self.store.list(self.prefix)}
        return [self.store.get_json(key) for key in map(self._key, self.order) if key in found]

    def _delete(self, keys: Iterable[str]) -> None:
        for found in self.store.list(self.prefix):
            if found.key in keys:
                self.store.delete(found.key)

    def _try(self, action: Callable[[], object], what: str) -> None:
        try:
            action()
        except RecsysError as error:
            log.warning("could not %s: %s", what, error)

    def _key(self, step: str) -> str:
        return f"{self.prefix}{step}.json"


def peak_mb() -> int:
    """Most memory that this process has held so far, in MB."""
    return round(peak_memory() / 1e6)
