"""Log lines of long work: how far it is, how fast it goes, how long it still takes."""

import logging
import time
from collections.abc import Callable

from recsys_tasks.printable import printable

log = logging.getLogger(__name__)

SECONDS = 5.0
"""Between two lines; work that is done sooner writes none."""


class Progress:
    """Takes note of work on a file and writes a line now and then.

    Args:
        name: what is worked on.
        unit: what is counted, such as ``rows``.
        whole: bytes of the file; None when nobody knows.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        name: str,
        unit: str,
        whole: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._unit, self._whole, self._clock = printable(name), unit, whole, clock
        self._begun = self._written = clock()
        self._count = self._first_byte = 0

    def resume(self, byte: int) -> None:
        """The work begins at this byte."""
        self._first_byte = byte

    def add(self, count: int, byte: int) -> None:
        """So many more units are done, and the file is done up to this byte."""
        self._count += count
        now = self._clock()
        if now - self._written < SECONDS:
            return
        self._written = now
        seconds = now - self._begun
        log.info(
            "%s: %s%s %s, %s a second%s",
            self._name,
            self._share(byte),
            f"{self._count:,}",
            self._unit,
            f"{self._count / seconds:,.0f}",
            self._left(byte, seconds),
        )

    def _share(self, byte: int) -> str:
        return f"{byte / self._whole:.0%}, " if self._whole else ""

    def _left(self, byte: int, seconds: float) -> str:
        done = byte - self._first_byte
        if not self._whole or done <= 0:
            return ""
        return f", {(self._whole - byte) * seconds / done:.0f} s left"
