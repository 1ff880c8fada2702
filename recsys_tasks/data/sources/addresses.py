"""Where an input file may be: a path here, a web server, or an S3 bucket; each ends as a local file."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import ParseResult, unquote, urlparse

from recsys_tasks.config.connections import Connections, StoreAccess
from recsys_tasks.config.redaction import redacted
from recsys_tasks.data.sources.download import download
from recsys_tasks.data.sources.source_policy import SourcePolicy
from recsys_tasks.errors import InputRejected, SourceUnavailable

ADDRESS = "a path, or an http(s):// or s3:// address"

ABSENT = {"404", "NoSuchKey", "NoSuchBucket", "403", "AccessDenied"}
"""Answers of an S3 store that no retry changes."""

FindStore = Callable[[], StoreAccess]


def find_store() -> StoreAccess:
    """The bucket's access of this environment."""
    return Connections.find().store()


def localised(
    address: str,
    folder: Path,
    store: FindStore = find_store,
    policy: SourcePolicy | None = None,
) -> Path:
    """The file at an address, on this machine.

    Args:
        address: a path, ``http://``, ``https://`` or ``s3://bucket/key``.
        folder: where a file from elsewhere is put.
        store: gives the S3 endpoint and credentials; asked for an ``s3://`` address only.
        policy: where files may come from; None: from anywhere.

    Raises:
        InputRejected: there is no such file, this is no address, or the policy bars it.
        SourceUnavailable: its server is away.
    """
    parts = _parts(address)
    if parts.scheme in ("http", "https"):
        opener = policy.opener().open if policy else None
        return download(address, folder / file_name_of(address), opener=opener)
    if parts.scheme == "s3":
        target, access = folder / file_name_of(address), store()
        bucket = parts.netloc.rpartition("@")[2]
        if policy:
            policy.check_bucket(bucket, access.bucket, address)
        _from_s3(public_name(address), bucket, parts.path.lstrip("/"), target, access)
        return target
    if policy:
        policy.check_file(address)
    return _plain_file(address)


def _parts(address: str) -> ParseResult:
    try:
        parts = urlparse(address)
        has_port = parts.port is None or parts.port >= 0
    except ValueError:
        has_port = False  # urllib's message quotes what stands there: part of a password, perhaps
    if not has_port:
        raise InputRejected(
            redacted(address)[:200],
            "this is no address",
            ADDRESS,
            "In a password write / as %2F, @ as %40 and : as %3A",
        )
    if parts.scheme in ("http", "https", "s3") and not parts.hostname:
        raise InputRejected(redacted(address)[:200], "the address names no host", ADDRESS)
    return parts


def _plain_file(address: str) -> Path:
    path = Path(address)
    try:
        if path.is_file():
            return path
        found = "this is no plain file" if path.exists() else "no such file"
    except OSError as error:
        found = f"it cannot be read: {error.strerror}"
    except ValueError:
        found = "this is no path"
    raise InputRejected(redacted(address)[:200], found, ADDRESS)


def public_name(address: str) -> str:
    """An address as it may stand in a log or a table: without password and query."""
    return redacted(address)


def file_name_of(address: str) -> str:
    """The name that a file gets here: the last part of its address.

    Raises:
        InputRejected: it is empty, or could reach another file or hide itself.
    """
    name = unquote(urlparse(address).path).rpartition("/")[2]
    if not name.strip() or name.startswith(".") or "\\" in name or not name.isprintable():
        raise InputRejected(
            public_name(address)[:200],
            f"its last part, {name!r}, is no name for a file",
            "a name of printable characters that begins with no dot and has no backslash",
        )
    return name


def _from_s3(address: str, bucket: str, key: str, target: Path, access: StoreAccess) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    from recsys_tasks.config.s3_client import s3_client

    client = s3_client(access, connect_timeout=10, read_timeout=30, tries=5)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, key, str(target))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in ABSENT:
            raise InputRejected(address, f"the store answers {code}", "an object") from None
        raise SourceUnavailable(f"{address}: {error}") from None
    except BotoCoreError as error:
        raise SourceUnavailable(f"{address}: {error}") from None
