"""Reads numpy files from a bucket: without pickle, memory-mapped, and only as declared.

A header that promises more than the file holds is refused before a byte is allocated for it, and so
is a compressed archive, which can grow to any size.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from recsys_tasks.artifacts.ids import LONGEST
from recsys_tasks.errors import ArtifactRefused

IDS = "ids"
"""The dtype of external ids: int64, or bytes of fixed width up to the longest id."""


def read_npy(path: Path, name: str, dtype: str) -> NDArray[Any]:
    """The array of a ``.npy``, memory-mapped and read-only.

    Args:
        path: the file.
        name: what to call it in a refusal.
        dtype: what it must hold, ``<f4`` for instance; ``IDS`` for external ids.

    Raises:
        ArtifactRefused: not a ``.npy``, another dtype, Fortran order, or a size that is not the shape's.
    """
    with path.open("rb") as file:
        return _mapped(path, name, file, 0, path.stat().st_size, dtype)


def read_npz(path: Path, name: str, dtypes: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """The arrays of an uncompressed ``.npz``, memory-mapped and read-only.

    Args:
        path: the file.
        name: what to call it in a refusal.
        dtypes: exactly the arrays it must hold and their dtypes; ``U`` for text of any width, ``IDS``
            for external ids.

    Raises:
        ArtifactRefused: as ``read_npy``, or not the arrays named, or compressed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if sorted(members) != sorted(f"{array}.npy" for array in dtypes):
                raise ArtifactRefused(name, f"holds {sorted(members)}, expected {sorted(dtypes)}")
            return {
                array: _member(path, name, archive, members[f"{array}.npy"], dtype)
                for array, dtype in dtypes.items()
            }
    except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError) as error:
        raise ArtifactRefused(name, f"not a readable .npz: {error}") from None


def _member(
    path: Path, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, dtype: str
) -> NDArray[Any]:
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise ArtifactRefused(name, f"{info.filename} is compressed or encrypted")
    with archive.open(info) as member, path.open("rb") as file:
        del member  # opening it has checked the local header against the directory
        file.seek(info.header_offset + 26)
        lengths = np.frombuffer(file.read(4), "<u2")
        start = info.header_offset + 30 + int(lengths.sum())
        file.seek(start)
        return _mapped(path, name, file, start, info.file_size, dtype)


def _is_of(found: np.dtype[Any], dtype: str) -> bool:
    if dtype == IDS:
        return found.str == "<i8" or (found.kind == "S" and 1 <= found.itemsize <= LONGEST)
    return found.kind == "U" if dtype == "U" else found.str == dtype


def _mapped(
    path: Path, name: str, file: IO[bytes], start: int, size: int, dtype: str
) -> NDArray[Any]:
    try:
        major, _ = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
        shape, fortran, found = read_header(file)
    except (ValueError, EOFError) as error:
        raise ArtifactRefused(name, f"not a readable array: {error}") from None
    if found.hasobject or not _is_of(found, dtype):
        raise ArtifactRefused(name, f"holds {found.str}, expected {dtype}")
    if fortran and len(shape) > 1:
        raise ArtifactRefused(name, "is in Fortran order")
    elements = 1
    for length in shape:
        elements *= int(length)
    held = size - (file.tell() - start)
    if any(length < 0 for length in shape) or elements * found.itemsize != held:
        raise ArtifactRefused(name, f"declares {shape} of {found.str} but holds {held} bytes")
    if held == 0:
        return np.empty(shape, found)
    return np.asarray(np.memmap(path, found, "r", file.tell(), shape))
