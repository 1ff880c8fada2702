"""Checksum files that lie beside a file: ``NAME.md5``, ``NAME.sha256``, ``MD5SUMS``, ``SHA256SUMS``."""

import re
from collections.abc import Iterator
from pathlib import Path

from recsys_tasks.data.sources.download import Checksum
from recsys_tasks.errors import InputRejected

DIGITS = {"md5": 32, "sha256": 64}
MOST_BYTES = 1 << 20
"""A longer file is no list of checksums."""


def refuse_other_checksum(path: Path, name: str) -> None:
    """Compares a file with each checksum that lies beside it; without any it passes.

    Args:
        path: the file.
        name: as the user gave it.

    Raises:
        InputRejected: the file is not the one that the checksum was made of.
    """
    for source, checksum in _checksums(path):
        if not checksum.matches(path):
            raise InputRejected(
                name,
                f"its {checksum.algorithm} differs from the one in {source.name} beside it",
                checksum.value,
                "Fetch the file again, or remove the checksum file if it is of another version",
            )


def _checksums(path: Path) -> Iterator[tuple[Path, Checksum]]:
    """Each checksum of the file, and where it stands."""
    for algorithm, digits in DIGITS.items():
        hexadecimal = re.compile(rf"(?<![0-9a-fA-F])[0-9a-fA-F]{{{digits}}}(?![0-9a-fA-F])")
        own = path.with_name(f"{path.name}.{algorithm}")
        if found := hexadecimal.search(_text(own)):
            yield own, Checksum(algorithm, found.group())
        sums = path.with_name(f"{algorithm.upper()}SUMS")
        for line in _text(sums).splitlines():
            value, _, named = line.partition(" ")
            if named.lstrip(" *").removeprefix("./") == path.name and hexadecimal.fullmatch(value):
                yield sums, Checksum(algorithm, value)


def _text(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")
