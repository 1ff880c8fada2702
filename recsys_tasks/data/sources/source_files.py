"""The files of one load: plain, gzip or inside a zip, each read once in full before it is trusted.

The first reading finds the hash and whatever makes the file unfit as a whole: a cut or corrupt
archive, another encoding. Only then does a transaction begin.
"""

import gzip
import hashlib
import zipfile
import zlib
from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.sources.addresses import FindStore, find_store, localised, public_name
from recsys_tasks.data.sources.archive import find_members
from recsys_tasks.data.sources.checksums_beside import refuse_other_checksum
from recsys_tasks.data.sources.source_policy import SourcePolicy
from recsys_tasks.errors import InputRejected

CHUNK = 1 << 20
UNREADABLE = (OSError, RuntimeError, ValueError)
"""Besides its own error, what zipfile raises for a member whose entry in the directory is wrong."""

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
PARQUET_ROLES = ("items", "users", "events")
UNPACK = "Unpack it first, or pack it with gzip"
SAVE = "Save the file as UTF-8"
EXPORT = "Export it as CSV"
MARKS = {
    b"\xff\xfe\0\0": ("text in UTF-32", SAVE),
    b"\0\0\xfe\xff": ("text in UTF-32", SAVE),
    b"\xff\xfe": ("text in UTF-16", SAVE),
    b"\xfe\xff": ("text in UTF-16", SAVE),
    b"PK\x03\x04": ("a zip archive", "Give it as --archive; export a workbook as CSV"),
    b"PK\x05\x06": ("an empty zip archive", "Fetch it again"),
    b"\x1f\x8b": ("gzip data that is packed once more", "Unpack it once"),
    b"BZh": ("a bzip2 archive", UNPACK),
    b"\xfd7zXZ": ("an xz archive", UNPACK),
    b"\x28\xb5\x2f\xfd": ("a zstd archive", UNPACK),
    b"7z\xbc\xaf": ("a 7z archive", UNPACK),
    b"\x04\x22\x4d\x18": ("an lz4 archive", UNPACK),
    b"Rar!": ("a rar archive", UNPACK),
    b"PAR1": ("a Parquet file", EXPORT),
    b"ARROW1": ("an Arrow file", EXPORT),
    b"ORC\0": ("an ORC file", EXPORT),
    b"Obj\x01": ("an Avro file", EXPORT),
    b"\x89HDF": ("an HDF5 file", EXPORT),
    b"SQLite format 3": ("a SQLite database", EXPORT),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", EXPORT),
    b"%PDF": ("a PDF document", EXPORT),
}
"""How other formats begin: what they are called and what to do about them."""

TAR = slice(257, 262), b"ustar"
"""Where a tar archive says that it is one."""

BOMB_BYTES = 1 << 24
TORN = bytes(512)
"""A disk sector of NULs: what a file system leaves of a write that a power cut broke off."""

BOMB_RATIO = 200
"""Ratings pack to a fifth or a tenth; so much more than that, above the bytes before, is no data."""


@dataclass(frozen=True)
class SourceFile:
    """One file, wherever its bytes lie: CSV, or Parquet for the roles of events."""

    role: str
    """``movies`` or ``ratings``; ``items``, ``users`` or ``events``."""

    name: str
    """As the user gave it; for a member of an archive, ``archive.zip:member``."""

    path: Path
    """The local file that holds it."""

    member: str = ""
    """Name inside the zip at ``path``; empty when ``path`` is the file itself."""

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The CSV's bytes, decompressed.

        Raises:
            InputRejected: there is no such file, or the archive is cut or corrupt.
        """
        try:
            with self._stream() as stream:
                yield cast(BinaryIO, stream)
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            raise InputRejected(
                self.name,
                f"the archive is cut or corrupt: {str(error) or 'a part of it is missing'}",
                advice="Fetch it again",
            ) from None

    def is_parquet(self) -> bool:
        """Whether this is a Parquet file of a role that may be one."""
        if self.member or self.role not in PARQUET_ROLES:
            return False
        with self.path.open("rb") as plain:
            return plain.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC

    def stated_bytes(self) -> int | None:
        """Size of a member as its archive's directory states it; None for a file of its own."""
        if not self.member:
            return None
        with zipfile.ZipFile(self.path) as archive:
            return archive.getinfo(self.member).file_size

    def stored_bytes(self) -> int:
        """Size as it is stored, packed if it is packed; a directory that states more is not believed."""
        if self.member:
            with zipfile.ZipFile(self.path) as archive:
                return min(archive.getinfo(self.member).compress_size, self.path.stat().st_size)
        return self.path.stat().st_size

    @contextmanager
    def _stream(self) -> Iterator[IO[bytes]]:
        if self.member:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as stream:
                yield stream
            return
        with self.path.open("rb") as plain:
            is_gzip = plain.read(2) == GZIP_MAGIC
            plain.seek(0)
            if not is_gzip:
                yield plain
                return
            with gzip.GzipFile(fileobj=plain) as stream:
                yield cast(IO[bytes], stream)


def source_files(
    settings: SourceSettings,
    folder: Path,
    store: FindStore = find_store,
    policy: SourcePolicy | None = None,
) -> list[SourceFile]:
    """The files that the settings name, movies or items first; those from elsewhere are fetched.

    Args:
        settings: their addresses.
        folder: where fetched files are put.
        store: gives the S3 access for ``s3://`` addresses.
        policy: where files may come from; None: from anywhere.

    Raises:
        InputRejected: a file is not there, or an archive cannot be trusted.
        SourceUnavailable: a server is away.
    """
    if settings.archive:
        path, name = (
            localised(settings.archive, folder, store, policy),
            public_name(settings.archive),
        )
        members = find_members(path, name)
        return [
            SourceFile(role, f"{name}:{member}", path, member) for role, member in members.items()
        ]
    named = (
        *(("movies", settings.movies), ("ratings", settings.ratings)),
        *(("items", settings.items), ("users", settings.users), ("events", settings.events)),
    )
    return [
        SourceFile(role, public_name(given), localised(given, folder / role, store, policy))
        for role, given in named
        if given
    ]


@dataclass(frozen=True)
class CheckedFile(SourceFile):
    """A source file that was read once in full."""

    sha256: str = ""
    """Hex digest of the CSV's bytes, after decompression."""

    size: int = 0
    """Number of these bytes."""

    state: tuple[int, int, int] = (0, 0, 0)
    """What the file system said of the file before it was read."""

    def refuse_if_changed(self) -> None:
        """Called once the rows were read.

        Raises:
            InputRejected: the file is not the one that was checked.
        """
        if file_state(self.path) != self.state:
            raise InputRejected(
                self.name,
                "the file changed while it was read",
                "a file that is written completely",
                "Write it under another name and rename it",
            )


def check_file(file: SourceFile) -> CheckedFile:
    """The file with its hash and size; all of it was read and is UTF-8, or it is a Parquet file.

    Raises:
        InputRejected: the file is empty, cut, corrupt, unreadable or in another encoding.
    """
    try:
        state = file_state(file.path)
        refuse_other_checksum(file.path, file.name)
        sha256, size = _digest(file) if file.is_parquet() else _read_once(file)
    except UNREADABLE as error:
        found = "the archive is cut or corrupt" if file.member else "it cannot be read"
        raise InputRejected(file.name, f"{found}: {error}", "a whole file") from None
    return CheckedFile(file.role, file.name, file.path, file.member, sha256, size, state)


def _digest(file: SourceFile) -> tuple[str, int]:
    """The hash and the number of the bytes of a file that is no text."""
    with file.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest(), file.path.stat().st_size


def _read_once(file: SourceFile) -> tuple[str, int]:
    """The hash and the number of the CSV's bytes."""
    digest, decoder = hashlib.sha256(), getincrementaldecoder("utf-8")()
    read, last, torn = 0, b"", False
    with file.open() as stream:
        while chunk := stream.read(CHUNK):
            _refuse_other_format(file, chunk if not read else b"")
            digest.update(chunk)
            _refuse_bytes(file, decoder, chunk, read)
            read += len(chunk)
            _refuse_bomb(file, read)
            torn = torn or TORN in chunk
            last = chunk[-1:]
        if file.stated_bytes() not in (None, read):
            raise zipfile.BadZipFile(f"it states {file.stated_bytes()} bytes and holds {read}")
    _refuse_bytes(file, decoder, b"", read)
    if not read:
        raise InputRejected(file.name, "the file is empty", "a header and rows")
    if torn or last == b"\0":
        raise InputRejected(
            file.name,
            "NUL bytes stand where its rows should: it was written in part only",
            "a whole file",
            "Write or fetch the file again",
        )
    return digest.hexdigest(), read


def file_state(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written or replaced: inode, size and time of the last change."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _refuse_bytes(file: SourceFile, decoder: IncrementalDecoder, chunk: bytes, read: int) -> None:
    """Refuses bytes that do not go on as UTF-8; no bytes are the file's end."""
    pending = len(decoder.getstate()[0])
    try:
        decoder.decode(chunk, final=not chunk)
    except UnicodeDecodeError as error:
        offset = read - pending + error.start
        raise InputRejected(
            file.name,
            f"byte 0x{error.object[error.start]:02x} is not UTF-8",
            "UTF-8 throughout",
            "If it is Windows-1252 or Latin-1, convert it: iconv -f WINDOWS-1252 -t UTF-8",
            line=_line_at(file, offset),
            column=f"byte {offset}",
        ) from None


def _line_at(file: SourceFile, offset: int) -> int:
    """The 1-based line that a byte is on."""
    ends, before = 0, b""
    with file.open() as stream:
        while offset and (chunk := stream.read(min(CHUNK, offset))):
            offset -= len(chunk)
            ends += chunk.count(b"\n") + chunk.count(b"\r") - (before + chunk).count(b"\r\n")
            before = chunk[-1:]
    return ends + 1


def _refuse_other_format(file: SourceFile, start: bytes) -> None:
    """Refuses bytes that are no UTF-8 text by their very beginning."""
    found, advice = next(
        (words for mark, words in MARKS.items() if start.startswith(mark)), _unmarked(start)
    )
    if found:
        raise InputRejected(
            file.name, f"this is {found}", "CSV in UTF-8", advice, line=1, column="byte 0"
        )


def _unmarked(start: bytes) -> tuple[str, str]:
    """What bytes are that bear no mark, and what to do; empty for what may be CSV."""
    if start[TAR[0]] == TAR[1]:
        return "a tar archive", UNPACK
    zeros = tuple(at for at, octet in enumerate(start[:4]) if not octet)
    if zeros in ((0, 1, 2), (1, 2, 3)):
        return "text in UTF-32", SAVE
    if zeros in ((0, 2), (1, 3)):
        return "text in UTF-16", SAVE
    if zeros:
        return "no text: NUL bytes are at its start", "Write or fetch the file again"
    return "", ""


def _refuse_bomb(file: SourceFile, read: int) -> None:
    """Refuses what unpacks to far more than any table of ratings does."""
    if read > BOMB_BYTES and read > BOMB_RATIO * file.stored_bytes():
        raise InputRejected(
            file.name,
            f"{file.stored_bytes()} bytes unpack to more than {read}: this looks like a bomb",
            f"at most {BOMB_RATIO} times the stored size",
        )
