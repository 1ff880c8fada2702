"""The datasets that GroupLens publishes: their addresses and checksums, and how a name is fetched."""

import re
from pathlib import Path
from urllib.parse import urlparse

from recsys_tasks.data.sources.addresses import file_name_of
from recsys_tasks.data.sources.archive import find_members
from recsys_tasks.data.sources.download import (
    LATE_FACTOR,
    Checksum,
    Patience,
    download,
    fetch_text,
    is_fetched,
)
from recsys_tasks.errors import InputRejected, SettingsError

GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
MD5 = {"ml-25m": "6b51fb2759a8657d3bfcbfc42b592ada"}
"""Checksums that are written down here; of the others the one published beside the file is asked."""

NAMES = ("ml-25m", "ml-32m", "ml-latest-small", "ml-latest")


def fetch_archive(
    name: str, folder: Path, base: str = GROUPLENS, patience: Patience = LATE_FACTOR
) -> Path:
    """A published dataset, or the zip at an address, in ``folder``; it holds the two files.

    Args:
        name: one of ``NAMES``, or an http(s):// address.
        folder: made if need be; a verified file in it is used as it is.
        base: address of the folder that the names are in.
        patience: how long to bear with the server.

    Raises:
        SettingsError: no such name.
        InputRejected: what the server sends is not the dataset.
        SourceUnavailable: the server is away.
    """
    url = address_of(name, base)
    checksum = Checksum("md5", MD5[name]) if name in MD5 else published_checksum(url)
    if checksum is None and name in NAMES:
        raise InputRejected(f"{url}.md5", "no published checksum is there", "32 hex digits")
    path = folder / file_name_of(url)
    _refuse_foreign(path, checksum)
    download(url, path, checksum, patience)
    find_members(path, str(path))
    return path


def _refuse_foreign(path: Path, checksum: Checksum | None) -> None:
    """Refuses to replace a file that is not as an earlier fetch left it."""
    if not path.exists() or is_fetched(path):
        return
    if not (checksum and path.is_file() and checksum.matches(path)):
        raise InputRejected(
            str(path),
            "it is there already, and fetch did not make it",
            "a free name",
            "Move it away, or choose another folder with --out",
        )


def address_of(name: str, base: str = GROUPLENS) -> str:
    """Where a dataset is.

    Raises:
        SettingsError: neither a known name nor an address.
    """
    if name in NAMES:
        return f"{base.rstrip('/')}/{name}.zip"
    if urlparse(name).scheme in ("http", "https"):
        return name
    raise SettingsError(
        f"{name!r} is neither an address nor one of sample, shop, {', '.join(NAMES)}"
    )


def published_checksum(url: str) -> Checksum | None:
    """The md5 that stands beside a file as ``<file>.md5``; None when there is none."""
    text = fetch_text(f"{url}.md5")
    found = re.search(r"\b[0-9a-fA-F]{32}\b", text or "")
    return Checksum("md5", found.group().lower()) if found else None
