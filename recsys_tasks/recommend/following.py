"""Follows a channel in the background: a service that answers from the newest champion."""

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from recsys_tasks.errors import RecsysError

log = logging.getLogger(__name__)


class Following:
    """Calls ``reload`` again and again in a thread of its own, until it is stopped.

    A version that cannot be had, or is not what its manifest says, is a warning in the log: the old one
    serves on, and the next turn tries again. As a context manager it stops at the block's end.

    Args:
        reload: as ``Recommender.reload``.
        seconds: between two turns, above 0.
    """

    def __init__(self, reload: Callable[[], bool], seconds: float) -> None:
        self._reload, self._seconds = reload, seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="recsys-follow", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, after the reload that is under way; a second call does nothing."""
        self._stopped.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _follow(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                if self._reload():
                    log.info("another version answers now")
            except (RecsysError, OSError) as error:
                log.warning("the old version serves on: %s", error)
