"""Signals that end the demo, and the one that must not."""

import os
import signal

import pytest

from recsys_tasks.devstack.interruption import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_becomes_a_keyboard_interrupt_and_the_handlers_come_back(number):
    def before(*_):
        """Does nothing: whoever started the tests may have had the signal ignored."""

    inherited = signal.signal(number, before)
    try:
        _end_by(number)
        assert signal.getsignal(number) is before
    finally:
        signal.signal(number, inherited)


def _end_by(number):
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), number)


def test_what_nohup_started_goes_on_after_a_hangup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
