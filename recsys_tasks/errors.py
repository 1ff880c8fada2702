"""Every error that the core raises on purpose, sorted by what the caller should do next.

    RecsysError
    ├── PermanentError            exit 3: a retry would fail again
    │   ├── SettingsError         exit 2: the call or the settings are off
    │   ├── InputRejected         a file, an archive or a download that cannot be trusted
    │   ├── DataCheckFailed       the tables are not fit to train on
    │   ├── TrainingRefused       the data or the machine cannot carry this training
    │   ├── GateRejected          the candidate is not good enough to publish
    │   ├── ArtifactRefused       a published or handed-over file is not what it should be
    │   ├── NotFound              no such version, user, movie or channel
    │   └── PublishConflict       someone else published or promoted in between
    └── TransientError            exit 4: a service did not answer; a retry can help
        ├── DatabaseUnavailable
        ├── StoreUnavailable
        ├── SourceUnavailable
        ├── SparkUnavailable
        ├── AirflowUnavailable
        └── ServicesUnknown

Each carries its facts as arguments (``super().__init__(*facts)``), so that it survives pickling,
and reads as one sentence, in which what a file or a server said has no invisible characters.
"""

from recsys_tasks.printable import printable


class RecsysError(Exception):
    """Something the product foresaw. ``str(error)`` is the sentence a person reads."""

    exit_code = 3

    def __str__(self) -> str:
        return printable(super().__str__(), lines=True)


class PermanentError(RecsysError):
    """Running the same again gives the same; fix the cause first."""


class TransientError(RecsysError):
    """A service was away or broke off; running the same again can succeed."""

    exit_code = 4


class SettingsError(PermanentError):
    """A setting, an option or a run's conf is unknown or out of bounds."""

    exit_code = 2


class InputRejected(PermanentError):
    """An input file cannot be trusted; nothing of it was written.

    Args:
        file: name of the file as the user gave it.
        found: what was found, in words.
        expected: what was expected in its place.
        advice: what to do about it.
        line: 1-based physical line, where one is known.
        column: column's name, or ``byte N``, where one is known.
    """

    def __init__(
        self,
        file: str,
        found: str,
        expected: str = "",
        advice: str = "",
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(file, found, expected, advice, line, column)
        self.file, self.found, self.expected = file, found, expected
        self.advice, self.line, self.column = advice, line, column

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place += f", line {self.line}"
        if self.column is not None:
            place += f", {self.column}"
        tail = f"; expected {self.expected}" if self.expected else ""
        advice = f". {self.advice}" if self.advice else ""
        return printable(f"{place}: {self.found}{tail}{advice}")


class DataCheckFailed(PermanentError):
    """The tables hold something that is not fit to train on."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__(reasons)
        self.reasons = reasons

    def __str__(self) -> str:
        return printable("the data is not fit to train on: " + "; ".join(self.reasons))


class TrainingRefused(PermanentError):
    """There is nothing to learn from, or not the memory to do it."""


class GateRejected(PermanentError):
    """The candidate is not good enough to publish; a retry would reject it again."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__(reasons)
        self.reasons = reasons

    def __str__(self) -> str:
        return printable("the gate rejected the candidate: " + "; ".join(self.reasons))


class ArtifactRefused(PermanentError):
    """A file of a version is missing, altered, hostile or of another format.

    Args:
        name: the file, as the manifest names it.
        reason: what is wrong with it.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return printable(f"{self.name}: {self.reason}", lines=True)


class NotFound(PermanentError):
    """What was asked for does not exist."""


class PublishConflict(PermanentError):
    """Another publisher came first; the message says which key and whose."""


class DatabaseUnavailable(TransientError):
    """Postgres refused the connection or broke it off."""


class StoreUnavailable(TransientError):
    """The object store refused, broke off or timed out."""


class SourceUnavailable(TransientError):
    """The server that the input files come from did not answer, or broke off again and again."""


class SparkUnavailable(TransientError):
    """Spark's master or its executors are away, or gave up."""


class AirflowUnavailable(TransientError):
    """A server of Airflow did not start, ended, or does not answer."""


class ServicesUnknown(TransientError):
    """No variable and no embedded stack says where the services are; start one and try again."""
