"""An S3-compatible bucket: the operations that this project needs, with errors of ``errors.py``.

Every request is repeated with growing pauses while the store is away, up to a deadline. What is
written carries its sha256 as metadata, so that whatever is read back can be checked on arrival.
Conditions (``If-None-Match``, ``If-Match``) are sent when asked for; a store that ignores them
answers as if they had held, which is why publishing also reads back what it wrote.
"""

import base64
import hashlib
import io
import logging
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from recsys_tasks.artifacts import canonical_json
from recsys_tasks.artifacts.store_errors import (
    ABSENT,
    BROKEN,
    CONFLICT,
    CredentialsExpired,
    code_of,
    translated,
)
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.config.s3_client import forget_credentials, s3_client
from recsys_tasks.errors import (
    ArtifactRefused,
    NotFound,
    RecsysError,
    StoreUnavailable,
    TransientError,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)
T = TypeVar("T")

CHUNK = 2**20
"""Bytes that a download holds in memory at a time."""


@dataclass(frozen=True)
class Patience:
    """How long to bear with a store that does not answer, in tries and seconds."""

    tries: int = 6
    first_pause: float = 0.2
    longest_pause: float = 5.0
    deadline: float = 180.0
    connect_timeout: float = 5.0
    read_timeout: float = 30.0


@dataclass(frozen=True)
class StoredObject:
    """One line of a listing: key, size in bytes, time of the last write (UTC)."""

    key: str
    bytes: int
    modified: datetime


class ObjectStore:
    """One bucket. Safe to use from several threads, not across a fork.

    Args:
        access: endpoint, bucket and credentials.
        patience: tries, pauses and time limits.
        multipart_from: size in bytes from which an upload is sent in parts.

    Every method raises ``StoreUnavailable`` when the store stays away, ``NotFound`` for a missing
    key or bucket, and ``PermanentError`` when the store refuses the credentials or the request.
    """

    def __init__(
        self,
        access: StoreAccess,
        patience: Patience = Patience(),
        multipart_from: int = 64 * 2**20,
    ) -> None:
        self.access = access
        self.bucket = access.bucket
        self.patience = patience
        self._transfer = TransferConfig(
            multipart_threshold=multipart_from,
            multipart_chunksize=max(multipart_from // 4, 5 * 2**20),
        )
        self._client = self._new_client()

    def _new_client(self) -> "S3Client":
        return s3_client(self.access, self.patience.connect_timeout, self.patience.read_timeout)

    def ensure_bucket(self) -> None:
        """Makes the bucket unless it is there."""

        def make() -> None:
            try:
                self._client.head_bucket(Bucket=self.bucket)
            except ClientError as error:
                if code_of(error) not in ABSENT:
                    raise
                self._client.create_bucket(Bucket=self.bucket)

        self._patiently(f"bucket {self.bucket}", make)

    def get(self, key: str, sha256: str | None = None) -> bytes:
        """An object's bytes, checked on arrival.

        Args:
            key: the object's key.
            sha256: what the bytes must hash to; by default what was recorded when they were written.

        Raises:
            ArtifactRefused: they hash to something else, however often they are read.
        """
        return self.get_tagged(key, sha256)[0]

    def get_tagged(self, key: str, sha256: str | None = None) -> tuple[bytes, str]:
        """As ``get``, with the object's ETag for a later condition."""

        def read() -> tuple[bytes, str]:
            answer = self._client.get_object(Bucket=self.bucket, Key=key)
            body = answer["Body"].read()
            _check(
                key, hashlib.sha256(body).hexdigest(), sha256 or answer["Metadata"].get("sha256")
            )
            return body, answer["ETag"]

        return self._patiently(key, read)

    def put(
        self, key: str, data: bytes, *, if_none_match: bool = False, if_match: str | None = None
    ) -> str:
        """Writes an object, reads it back and compares.

        Args:
            key: the object's key.
            data: its bytes.
            if_none_match: only if no such object exists; an equal one counts as written.
            if_match: only if the object there has this ETag.

        Returns:
            the sha256 of the bytes, in hex.

        Raises:
            PublishConflict: the condition does not hold and what is there differs.
        """
        digest = hashlib.sha256(data).hexdigest()
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if if_none_match else {}
        if if_match is not None:
            condition["IfMatch"] = if_match

        def write() -> None:
            try:
                self._client.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=data,
                    ContentMD5=_md5(io.BytesIO(data)),
                    Metadata={"sha256": digest},
                    **condition,
                )
            except ClientError as error:
                if code_of(error) not in CONFLICT or self._digest_of(key) != digest:
                    raise
            self._confirm(key, digest)

        self._patiently(key, write)
        return digest

    def upload_file(self, path: Path, key: str) -> str:
        """Writes a file as an object, in parts if it is large, reads it back and compares.

        Returns:
            the sha256 of its bytes, in hex.
        """
        digest = file_sha256(path)

        def write() -> None:
            with path.open("rb") as file:
                self._send(file, path.stat().st_size, key, digest)
            self._confirm(key, digest)

        self._patiently(key, write)
        return digest

    def download_file(
        self, key: str, path: Path, sha256: str | None = None, max_bytes: int | None = None
    ) -> str:
        """Writes an object's bytes to a file that appears only when they are complete and right.

        Args:
            key: the object's key.
            path: the file, in a folder that exists.
            sha256: what the bytes must hash to; by default what was recorded when they were written.
            max_bytes: more than this is refused.

        Returns:
            the sha256 of the bytes, in hex.

        Raises:
            ArtifactRefused: too many bytes, or they hash to something else however often read.
        """

        def fetch() -> str:
            answer = self._client.get_object(Bucket=self.bucket, Key=key)
            if max_bytes is not None and answer["ContentLength"] > max_bytes:
                raise ArtifactRefused(key, f"{answer['ContentLength']} bytes, expected {max_bytes}")
            with _appearing(path) as file:
                digest = hashlib.sha256()
                for chunk in answer["Body"].iter_chunks(CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
                found = digest.hexdigest()
                _check(key, found, sha256 or answer["Metadata"].get("sha256"))
            return found

        return self._patiently(key, fetch)

    def exists(self, key: str) -> bool:
        """Whether an object is there."""

        def head() -> bool:
            try:
                self._client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return False
                raise
            return True

        return self._patiently(key, head)

    def holds(self, key: str, sha256: str) -> bool:
        """Whether an object is there whose bytes, read now, have this sha256."""
        try:
            return self._patiently(key, lambda: self._digest_of(key)) == sha256
        except NotFound:
            return False

    def list(self, prefix: str) -> tuple[StoredObject, ...]:
        """Every object under a prefix, by key. A listing may be stale: no decision to publish uses one."""

        def pages() -> tuple[StoredObject, ...]:
            paginator = self._client.get_paginator("list_objects_v2")
            return tuple(
                StoredObject(found["Key"], found["Size"], found["LastModified"])
                for page in paginator.paginate(Bucket=self.bucket, Prefix=prefix)
                for found in page.get("Contents", ())
            )

        return self._patiently(prefix, pages)

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Names directly below a prefix that have keys below them, without slashes, in order.

        One request a thousand names, whatever lies below them; may be stale, as a listing.
        """

        def pages() -> tuple[str, ...]:
            paginator = self._client.get_paginator("list_objects_v2")
            return tuple(
                found["Prefix"].removeprefix(prefix).removesuffix("/")
                for page in paginator.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/")
                for found in page.get("CommonPrefixes", ())
            )

        return self._patiently(prefix, pages)

    def delete(self, key: str) -> None:
        """Removes an object; one that is not there is no error."""
        self._patiently(key, lambda: self._client.delete_object(Bucket=self.bucket, Key=key))

    def get_json(self, key: str) -> Any:
        """The value of a JSON object; refuses repeated keys and NaN (``ArtifactRefused``)."""
        return canonical_json.from_bytes(self.get(key), key)

    def put_json(self, key: str, value: Any) -> str:
        """Writes a value in its canonical form and returns the sha256 of its bytes."""
        return self.put(key, canonical_json.to_bytes(value))

    def _send(self, file: io.BufferedReader, size: int, key: str, digest: str) -> None:
        """In one request, whose MD5 the store checks before it replaces anything, or in parts."""
        metadata = {"sha256": digest}
        if size < self._transfer.multipart_threshold:
            self._client.put_object(
                Bucket=self.bucket, Key=key, Body=file, ContentMD5=_md5(file), Metadata=metadata
            )
        else:
            self._client.upload_file(  # by name: each part is read as it is sent, not before
                file.name, self.bucket, key, ExtraArgs={"Metadata": metadata}, Config=self._transfer
            )

    def _confirm(self, key: str, digest: str) -> None:
        """Reads back once; a difference is passing, because writing again can mend it."""
        if (found := self._digest_of(key)) != digest:
            raise StoreUnavailable(f"{key}: read back with sha256 {found[:12]}, not {digest[:12]}")

    def _digest_of(self, key: str) -> str:
        digest = hashlib.sha256()
        body = self._client.get_object(Bucket=self.bucket, Key=key)["Body"]
        for chunk in body.iter_chunks(CHUNK):
            digest.update(chunk)
        return digest.hexdigest()

    def _patiently(self, what: str, action: Callable[[], T]) -> T:
        """Repeats an action until it succeeds, fails for good, or patience runs out."""
        started = time.monotonic()
        for attempt in count(1):
            try:
                return action()
            except (*BROKEN, RecsysError) as error:
                reason = translated(error, what, self.access)
                if isinstance(reason, CredentialsExpired):
                    self._renew_credentials()
                pause = self._pause(attempt)
                spent = time.monotonic() - started
                tries = self._tries_for(reason)
                if attempt >= tries or spent + pause >= self.patience.deadline:
                    raise reason from error
                log.info("%s; trying again in %.1f s", reason, pause)
                time.sleep(pause)
        raise AssertionError  # pragma: no cover - count() does not end

    def _renew_credentials(self) -> None:
        log.info("the credentials have expired: asking for new ones")
        forget_credentials()
        self._client = self._new_client()

    def _pause(self, attempt: int) -> float:
        longest = min(self.patience.first_pause * 2.0 ** (attempt - 1), self.patience.longest_pause)
        return random.uniform(longest / 2, longest)

    def _tries_for(self, reason: RecsysError) -> int:
        """Wrong bytes may have been bent on the way, so they are read again, but not for long."""
        if isinstance(reason, ArtifactRefused):
            return min(3, self.patience.tries)
        return self.patience.tries if isinstance(reason, TransientError) else 1


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _md5(file: io.BufferedReader | io.BytesIO) -> str:
    """A body's MD5 as the Content-MD5 header has it; against accidents on the way, not attackers."""
    digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    file.seek(0)
    return base64.b64encode(digest.digest()).decode()


def _check(key: str, found: str, expected: str | None) -> None:
    if expected is not None and found != expected:
        raise ArtifactRefused(key, f"sha256 is {found}, expected {expected}")


@contextmanager
def _appearing(path: Path) -> Iterator[Any]:
    """A file that takes its name only if the block ends well."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
