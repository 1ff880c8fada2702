"""One run: its version, and the files that its steps hand to each other through the object store."""

import hashlib
import logging
import re
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from recsys_tasks.artifacts import canonical_json
from recsys_tasks.artifacts.arrays import read_npz
from recsys_tasks.config.interruption import is_asked
from recsys_tasks.errors import ArtifactRefused, SettingsError

log = logging.getLogger(__name__)

Array = np.ndarray[Any, np.dtype[Any]]
UNREADABLE = (
    ValueError,
    TypeError,  # a lone array where an archive is expected
    KeyError,
    OSError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy and zipfile raise over a damaged ``.npz``."""

_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


class RunStore(Protocol):
    """What a run needs of the object store."""

    def get(self, key: str) -> bytes:
        """The object's bytes; raises NotFound."""
        ...

    def put(self, key: str, data: bytes) -> str:
        """Writes the object whole."""
        ...

    def upload_file(self, path: Path, key: str) -> str:
        """Writes a file as an object."""
        ...

    def download_file(self, key: str, path: Path) -> str:
        """Writes the object's bytes to a file; raises NotFound."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        ...

    def get_json(self, key: str) -> Any:
        """The object's JSON; raises NotFound."""
        ...

    def put_json(self, key: str, value: Any) -> str:
        """Writes a value as canonical JSON."""
        ...


MAX_JSON_BYTES = 2**30
"""Of a run's own JSON file, for its writer and its readers: room for ten million titles."""


@dataclass(frozen=True)
class Run:
    """Names one run of the flow. The same names give the same version, whenever a step is retried."""

    dataset: str
    dag_id: str
    run_id: str
    run_after: datetime

    @property
    def version(self) -> str:
        """``20261124T030000Z-1a2b3c4d``: UTC stamp of ``run_after``, 8 hex digits of the run's name."""
        stamp = self.run_after.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        name = hashlib.sha256(f"{self.dag_id}\n{self.run_id}".encode()).hexdigest()
        return f"{stamp}-{name[:8]}"

    def document(self) -> dict[str, str]:
        """The manifest's ``run``."""
        moment = self.run_after.astimezone(UTC).isoformat()
        return {"dag_id": self.dag_id, "run_id": self.run_id, "run_after": moment}

    @property
    def prefix(self) -> str:
        """Where the run's own files lie in the bucket, with the last slash."""
        return f"{self.dataset}/runs/{self.version}/"


def checked_version(version: str) -> str:
    """The version, if it has the form of one.

    Raises:
        SettingsError: it has not.
    """
    if not _VERSION.fullmatch(version):
        raise SettingsError(
            f"{version!r} is not a version: they look like 20261124T030000Z-1a2b3c4d"
        )
    return version


@dataclass(frozen=True)
class RunFiles:
    """The run's files by name: arrays as ``.npz`` without pickles, values as JSON, bytes as they are."""

    store: RunStore
    run: Run

    def key(self, name: str) -> str:
        """The object key of a file of this run."""
        return self.run.prefix + name

    def has(self, name: str) -> bool:
        """Whether an earlier step, or an earlier try, left this file."""
        return self.store.exists(self.key(name))

    def put_arrays(self, name: str, arrays: Mapping[str, Array]) -> str:
        """Writes arrays as one ``.npz`` and returns its key; the same arrays give the same bytes.

        They pass through a temporary file, so that no second copy of them is in memory.
        """
        with tempfile.TemporaryDirectory(prefix="recsys-") as home:
            path = Path(home) / "arrays.npz"
            np.savez(path, allow_pickle=False, **arrays)
            return self.put_file(name, path)

    def get_arrays(self, name: str) -> dict[str, Array]:
        """The arrays of a ``.npz``, in memory and writable.

        Raises:
            ArtifactRefused: the file is damaged.
        """
        with self._fetched(name) as path:
            try:
                with np.load(path, allow_pickle=False) as arrays:
                    return {array: arrays[array] for array in arrays.files}
            except UNREADABLE as error:
                raise ArtifactRefused(self.key(name), f"not a readable .npz ({error})") from error

    def map_arrays(self, name: str, dtypes: Mapping[str, str]) -> dict[str, Array]:
        """The arrays of a ``.npz``, read-only and on disk: the kernel keeps in memory what is read.

        Args:
            name: of the file.
            dtypes: exactly the arrays that it holds and their dtypes.

        Raises:
            ArtifactRefused: the file is damaged, or holds something else.
        """
        with self._fetched(name) as path:
            return read_npz(path, self.key(name), dtypes)  # mapped: the file outlives its name

    def kept(self, name: str, folder: Path) -> Path:
        """The file in a folder of the caller's, fetched when it is not there yet; safe among threads."""
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".", dir=folder) as home:
                self.store.download_file(self.key(name), Path(home) / "fetched")
                (Path(home) / "fetched").replace(path)
        return path

    def put_file(self, name: str, path: Path) -> str:
        """Writes a file and returns its key."""
        self.store.upload_file(path, self.key(name))
        return self.key(name)

    def put_json(self, name: str, value: Any) -> str:
        """Writes a value as canonical JSON and returns its key.

        Raises:
            ArtifactRefused: it is larger than ``get_json`` reads.
        """
        document = canonical_json.to_bytes(value)
        if len(document) > MAX_JSON_BYTES:
            found = f"{len(document)} bytes of JSON, more than {MAX_JSON_BYTES}"
            raise ArtifactRefused(self.key(name), found)
        return self.put_bytes(name, document)

    def get_json(self, name: str) -> Any:
        """The value of a JSON file of this run."""
        return canonical_json.from_bytes(self.get_bytes(name), self.key(name), MAX_JSON_BYTES)

    def put_bytes(self, name: str, data: bytes) -> str:
        """Writes bytes and returns their key."""
        self.store.put(self.key(name), data)
        return self.key(name)

    def get_bytes(self, name: str) -> bytes:
        """The bytes of a file of this run."""
        return self.store.get(self.key(name))

    @contextmanager
    def _fetched(self, name: str) -> Iterator[Path]:
        """The file on this machine's disk, for the block's length."""
        with tempfile.TemporaryDirectory(prefix="recsys-") as home:
            path = Path(home) / "fetched"
            self.store.download_file(self.key(name), path)
            yield path


class Checkpoint:
    """Where a fit keeps its last state: one file of the run, written at most every half minute.

    Args:
        files: the run's files.
        name: of the file.
        seconds: least time between two writes; a large model takes seconds to write.
    """

    def __init__(self, files: RunFiles, name: str, seconds: float = 30.0) -> None:
        self._files, self._name, self._seconds = files, name, seconds
        self._written = time.monotonic()

    def save(self, epoch: int, arrays: Mapping[str, Array]) -> None:
        """Keeps the state after an epoch, if the last write is long enough ago or the fit is to stop."""
        if time.monotonic() - self._written < self._seconds and not is_asked():
            return
        key = self._files.put_arrays(self._name, arrays)
        log.info("checkpoint after epoch %d: %s", epoch, key)
        self._written = time.monotonic()

    def part(self, name: str) -> "Checkpoint":
        """The file of one of several fits that make one model."""
        return Checkpoint(self._files, f"{name}_{self._name}", self._seconds)

    def load(self) -> dict[str, Array] | None:
        """The state that an earlier try left; None: it left none, or one that is damaged."""
        if not self._files.has(self._name):
            return None
        try:
            return self._files.get_arrays(self._name)
        except ArtifactRefused as error:
            log.warning("the checkpoint is damaged, beginning anew: %s", error)
            return None
