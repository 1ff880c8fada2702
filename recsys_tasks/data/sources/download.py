"""Downloads a file from a web server: resumes, checks, and shows the file only when it is whole.

The bytes gather in ``NAME.part``; beside it ``NAME.part.json`` keeps what the server called this
version of the file, so that a resumed download never joins halves of two versions.
"""

import base64
import fcntl
import hashlib
import http.client
import json
import logging
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from recsys_tasks.config.redaction import redacted
from recsys_tasks.data.progress import Progress
from recsys_tasks.errors import InputRejected, SourceUnavailable
from recsys_tasks.printable import printable

log = logging.getLogger(__name__)

CHUNK = 1 << 18
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Answers of a server that a later request can get over."""

WRONG_RANGE = 416

Opener = Callable[..., Any]
"""Answers a request as ``urllib.request.urlopen`` does."""


@dataclass(frozen=True)
class Patience:
    """How long to bear with a server."""

    tries: int = 6
    """Requests in a row that bring nothing new before giving up."""

    first_pause: float = 0.5
    """Seconds before the second request; doubled each time."""

    timeout: float = 30.0
    """Seconds without a byte."""


LATE_FACTOR = Patience()
"""What serves on most networks."""


@dataclass(frozen=True)
class Checksum:
    """What the whole file must hash to."""

    algorithm: str
    """``md5`` or ``sha256``."""

    value: str
    """Hex digest."""

    def matches(self, path: Path) -> bool:
        """Whether the file's bytes hash to the value."""
        return file_digest(path, self.algorithm) == self.value.lower()


def download(
    url: str,
    target: Path,
    checksum: Checksum | None = None,
    patience: Patience = LATE_FACTOR,
    sleep: Callable[[float], None] = time.sleep,
    opener: Opener | None = None,
) -> Path:
    """Brings ``url`` to ``target`` and returns it; a whole and verified one is kept as it is.

    Args:
        url: http:// or https://.
        target: its folder is made; two processes that fetch it take turns.
        checksum: of the whole file; None: its length alone is checked, and a file that is there
            is fetched again.
        patience: how long to bear with the server.
        sleep: waits so many seconds.
        opener: asks the server; by default urllib, any server.

    Raises:
        InputRejected: there is no such file, it is a web page, or the checksum differs.
        SourceUnavailable: the server did not answer, or broke off again and again.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    ask, name = opener or urllib.request.urlopen, printable(redacted(url))
    with _turn(target) as lock:
        if checksum and target.is_file():
            if checksum.matches(target):
                log.info("%s: already here, checksum verified", printable(str(target)))
                return target
            log.warning("%s: its checksum differs, fetching it again", printable(str(target)))
        partial = Partial(target)
        _fill(url, partial, patience, sleep, ask)
        if checksum and not checksum.matches(partial.path):
            log.warning("%s: the checksum differs, fetching it once more from the start", name)
            partial.discard()
            _fill(url, partial, patience, sleep, ask)
            if not checksum.matches(partial.path):
                partial.discard()
                raise InputRejected(
                    name,
                    f"the {checksum.algorithm} of what was sent differs from the published one",
                    checksum.value,
                    "The server, or something on the way, altered the file",
                )
        partial.finish()
        lock.write(_state(target))
        log.info("%s: %s bytes from %s", printable(str(target)), f"{target.stat().st_size:,}", name)
    return target


class Partial:
    """What has arrived so far of one file.

    Args:
        target: where the whole file will be.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self._target = target
        self._facts = target.with_name(target.name + ".part.json")

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def version(self) -> str:
        """What the server called the version that these bytes are of; empty when unknown."""
        try:
            return str(json.loads(self._facts.read_text(encoding="utf-8"))["version"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return ""

    def begin(self, version: str) -> None:
        """Empties the file for bytes of this version."""
        self.path.write_bytes(b"")
        self._facts.write_text(json.dumps({"version": version}), encoding="utf-8")

    def discard(self) -> None:
        """Forgets what has arrived."""
        self.path.unlink(missing_ok=True)
        self._facts.unlink(missing_ok=True)

    def finish(self) -> None:
        """Puts the whole file in its place, in one step."""
        self.path.replace(self._target)
        self._facts.unlink(missing_ok=True)


def file_digest(path: Path, algorithm: str) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def fetch_text(url: str, limit: int = 1 << 16) -> str | None:
    """A short text from a server; None when it has none there.

    Raises:
        SourceUnavailable: the server did not answer.
    """
    try:
        with urllib.request.urlopen(url, timeout=LATE_FACTOR.timeout) as answer:
            return str(answer.read(limit).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        if error.code in PASSING:
            raise SourceUnavailable(f"{redacted(url)}: the server answers {error.code}") from None
        return None
    except (OSError, http.client.HTTPException) as error:
        raise SourceUnavailable(f"{redacted(url)}: {error}") from None


def _fill(
    url: str,
    partial: Partial,
    patience: Patience,
    sleep: Callable[[float], None],
    ask: Opener,
) -> None:
    """Requests until the file is whole; a request that brought bytes starts the count anew."""
    failed, name = 0, printable(redacted(url))
    while True:
        before = partial.size
        try:
            _request(url, partial, patience.timeout, ask)
            return
        except _BrokeOffError as problem:
            failed = 1 if partial.size > before else failed + 1
            if failed >= patience.tries:
                raise SourceUnavailable(
                    f"{name}: {problem}; gave up after {failed} tries"
                ) from None
            pause = patience.first_pause * 2 ** (failed - 1)
            log.warning("%s: %s; again in %.1f s", name, problem, pause)
            sleep(pause)


class _BrokeOffError(Exception):
    """One request failed in a way that the next may not."""


def _request(url: str, partial: Partial, timeout: float, ask: Opener) -> None:
    """One request, for the whole file or for its missing end.

    Raises:
        _BrokeOffError: it failed or ended early.
        InputRejected: no request will bring the file.
    """
    headers = {"User-Agent": "recsys-tasks", "Accept-Encoding": "identity"}
    if partial.size and partial.version:
        headers |= {"Range": f"bytes={partial.size}-", "If-Range": partial.version}
    try:
        with ask(_request_for(url, headers), timeout=timeout) as answer:
            _receive(redacted(url), answer, partial)
    except urllib.error.HTTPError as error:
        if error.code == WRONG_RANGE:
            partial.discard()
            raise _BrokeOffError("the server refuses to resume, starting anew") from None
        if error.code in PASSING:
            raise _BrokeOffError(f"the server answers {error.code}") from None
        raise InputRejected(
            redacted(url), f"the server answers {error.code} {error.reason}", "the file"
        ) from None
    except urllib.error.URLError as error:
        raise _BrokeOffError(str(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise _BrokeOffError(str(error) or type(error).__name__) from None
    except ValueError as error:
        raise InputRejected(
            redacted(url), f"no address of a file: {redacted(str(error))}"
        ) from None


def _request_for(url: str, headers: Mapping[str, str]) -> urllib.request.Request:
    """The request; a login in the address goes into its header, which no redirect takes along."""
    parts = urllib.parse.urlsplit(url)
    login, _, place = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=place).geturl(), headers=dict(headers))
    if login:
        word = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {word}")
    return request


def _receive(url: str, answer: Any, partial: Partial) -> None:
    """Appends the answer's body; the whole length must arrive."""
    if answer.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise InputRejected(url, "the server sends a web page", "a file", "Open it in a browser")
    resumed = answer.status == 206
    if not resumed:
        partial.begin(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "")
    length = answer.headers.get("Content-Length")
    whole = partial.size + int(length) if length and length.isdigit() else None
    progress = Progress(url, "bytes", whole)
    progress.resume(partial.size)
    with partial.path.open("ab") as file:
        while piece := answer.read(CHUNK):
            file.write(piece)
            progress.add(len(piece), file.tell())
    if whole is not None and partial.size != whole:
        raise _BrokeOffError(f"it ended after {partial.size} of {whole} bytes")


@contextmanager
def _turn(target: Path) -> Iterator[TextIO]:
    """Holds the file's lock; it goes when the process dies. What is written to it replaces what it held."""
    with _lock(target).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        written = StringIO()
        yield written
        if written.getvalue():
            lock.truncate(0)
            lock.write(written.getvalue())


def is_fetched(target: Path) -> bool:
    """Whether a file is as the last download left it, by what its lock file says of it."""
    lock = _lock(target)
    return lock.is_file() and lock.read_text(errors="replace") == _state(target)


def _lock(target: Path) -> Path:
    return target.with_name(target.name + ".lock")


def _state(file: Path) -> str:
    """What changes when another file is put in its place."""
    found = file.stat()
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"
