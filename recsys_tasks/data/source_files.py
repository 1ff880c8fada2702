"""The files of one load: plain, gzip or inside a zip, each read once in full before it is trusted.

The first reading finds the hash and whatever makes the file unfit as a whole: a cut or corrupt
archive, another encoding. Only then does a transaction begin.
"""

import gzip
import hashlib
import zipfile
import zlib
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from recsys_tasks.errors import InputRejected

CHUNK = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
WIDE_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True)
class SourceFile:
    """One CSV file, wherever its bytes lie."""

    role: str
    """``movies`` or ``ratings``."""

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
                self.name, f"the archive is cut or corrupt: {error}", advice="Fetch it again"
            ) from None

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


def local_file(role: str, given: str) -> SourceFile:
    """A path on this machine as a source file.

    Raises:
        InputRejected: nothing is there, or it is no file.
    """
    path = Path(given)
    if not path.is_file():
        raise InputRejected(given, "no such file", f"the {role} file")
    return SourceFile(role, given, path)


def fingerprint(file: SourceFile) -> str:
    """The sha256 of the CSV's bytes, in hex; all of them were read and are UTF-8.

    Raises:
        InputRejected: the file is empty, cut, corrupt or in another encoding.
    """
    digest, decoder = hashlib.sha256(), getincrementaldecoder("utf-8")()
    read = lines = 0
    with file.open() as stream:
        while chunk := stream.read(CHUNK):
            if not read and (wide := WIDE_MARKS.get(chunk[:2])):
                raise InputRejected(
                    file.name, f"the text is {wide}", "UTF-8", "Save the file as UTF-8", 1, "byte 0"
                )
            digest.update(chunk)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise _not_utf8(file.name, error, read - pending, lines) from None
            read += len(chunk)
            lines += chunk.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _not_utf8(file.name, error, read - len(error.object), lines) from None
    if not read:
        raise InputRejected(file.name, "the file is empty", "a header and rows")
    return digest.hexdigest()


def _not_utf8(name: str, error: UnicodeDecodeError, offset: int, lines: int) -> InputRejected:
    found = error.object[error.start : error.start + 1]
    return InputRejected(
        name,
        f"byte 0x{found.hex()} is not UTF-8",
        "UTF-8 throughout",
        "If it is Windows-1252 or Latin-1, convert the file: iconv -f WINDOWS-1252 -t UTF-8",
        line=lines + error.object.count(b"\n", 0, error.start) + 1,
        column=f"byte {offset + error.start}",
    )
