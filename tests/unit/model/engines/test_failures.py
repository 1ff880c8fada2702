"""What Spark gives up on is one sentence; a fit without executors is given up for it."""

import pytest

from recsys_tasks.config.settings import SparkSettings
from recsys_tasks.errors import SparkUnavailable, TrainingRefused
from recsys_tasks.model.engines.spark import failures, watch

TRACE = (
    "An error occurred while calling o52.fit.\n: org.apache.spark.SparkException: Job aborted\n at"
)

WITHOUT = "NOT TESTED: needs the extra spark"


@pytest.mark.parametrize(
    ("said", "kind", "sentence"),
    [
        (TRACE, SparkUnavailable, r"Spark on local\[2\] gave up: .*Job aborted$"),
        ("java.lang.OutOfMemoryError: Java heap space", TrainingRefused, "its 2048 MB: raise"),
        (f"{TRACE}\nMkdirs failed to create", TrainingRefused, "may not write below spark.exch"),
        ("", SparkUnavailable, "gave up: $"),
    ],
)
def test_a_stack_trace_becomes_a_sentence(said, kind, sentence):
    with pytest.raises(kind, match=sentence):
        raise failures.in_one_line(said, SparkSettings())


def test_a_jvm_that_died_is_called_dead_even_where_an_error_wants_its_words():
    protocol = pytest.importorskip("py4j.protocol", reason=WITHOUT)
    speechless = type("FromJava", (protocol.Py4JError,), {"__str__": _gone})
    for error in (speechless(), ConnectionResetError(), protocol.Py4JNetworkError("empty")):
        with (
            pytest.raises(SparkUnavailable, match="gave up: its JVM died"),
            failures.translated(SparkSettings()),
        ):
            raise error


def _gone(self):
    raise ConnectionRefusedError


def test_an_executor_that_comes_after_all_does_not_save_a_fit_that_was_given_up(monkeypatch):
    pytest.importorskip("pyspark", reason=WITHOUT)
    monkeypatch.setattr(watch, "PAUSE", 0.01)
    settings = SparkSettings(master="spark://far:7077", wait_seconds=0.05)
    cluster = _Cluster()
    with (
        pytest.raises(SparkUnavailable, match=r"no executor for 0\.05 s"),
        watch.executors_awaited(cluster, settings),
    ):
        cluster.work()


class _Cluster:
    """A context whose first executor registers while its work is being cancelled."""

    def __init__(self):
        from threading import Event

        self.executors, self.cancelled = 0, Event()
        self._jsc, self.sc, self.getExecutorMemoryStatus = self, lambda: self, lambda: self

    def size(self):
        return self.executors + 1

    def cancelAllJobs(self):  # noqa: N802 - as Spark names it
        self.executors += 1
        if self.executors == 3:
            self.cancelled.set()

    def work(self):
        from pyspark.errors import PySparkException

        assert self.cancelled.wait(30)
        raise PySparkException("cancelled")
