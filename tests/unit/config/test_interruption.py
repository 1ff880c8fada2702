"""Signals that end the demo, and the one that must not."""

import os
import signal

import pytest

from recsys_tasks.config.interruption import held, interruptible, is_asked


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


def test_what_is_worth_keeping_is_finished_before_an_interruption():
    def stop(done):
        with interruptible(), held() as interruption:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(
                os.getpid(), signal.SIGTERM
            )  # to the process and to its group, as containers stop
            done.append(interruption.asked and is_asked())

    done = []
    with pytest.raises(KeyboardInterrupt):
        stop(done)
    assert done == [True]
    assert not is_asked()


def test_a_second_ctrl_c_waits_for_nothing():
    def stop_twice(seen):
        with interruptible(), held() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            seen.append(interruption.asked)
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("goes on")

    seen = []
    with pytest.raises(KeyboardInterrupt):
        stop_twice(seen)
    assert seen == [True]


def test_a_task_takes_sigterm_and_leaves_the_other_signals_as_they_are():
    before = signal.getsignal(signal.SIGINT)
    with interruptible(signal.SIGTERM):
        assert signal.getsignal(signal.SIGINT) is before
