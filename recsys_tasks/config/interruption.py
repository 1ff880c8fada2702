"""Turns SIGTERM and Ctrl-C into one exception, which waits while an epoch or a pass is being finished.

Whoever owns the process (a command, a task) says ``interruptible``; whoever works in steps that are worth
keeping says ``held``, and looks between two of them.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Held:
    """An interruption that waits."""

    asked: bool = False
    """a signal came: finish the step at hand, keep its result, and leave the block"""


_held: list[Held] = []
"""The blocks of ``held`` that run now, the innermost last; signals reach the main thread only."""


@contextmanager
def interruptible(*only: signal.Signals) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, even where a shell had SIGINT ignored.

    A SIGHUP that was ignored stays so: ``nohup`` asked for it.

    Args:
        only: the signals that do, where others are not the caller's to take.
    """
    numbers = list(only) or [signal.SIGINT, signal.SIGTERM]
    if not only and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held() -> Iterator[Held]:
    """Holds an interruption back until the block is left, which then raises KeyboardInterrupt.

    A second Ctrl-C is not held back. A second SIGTERM is: one stop of a container sends several.
    """
    mine = Held()
    _held.append(mine)
    try:
        yield mine
    finally:
        _held.remove(mine)
    if mine.asked:
        raise KeyboardInterrupt


def is_asked() -> bool:
    """Whether an interruption is being held back: what is kept only now and then is to be kept now."""
    return any(one.asked for one in _held)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    if not _held or (number == signal.SIGINT and is_asked()):
        raise KeyboardInterrupt
    for one in _held:
        one.asked = True
