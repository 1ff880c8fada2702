"""Hostile numpy files: refused before they cost memory, never unpickled."""

import io
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recsys_tasks.artifacts.arrays import read_npy, read_npz
from recsys_tasks.errors import ArtifactRefused


def header(shape: str, descr: str = "<f4", fortran: bool = False) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=2, min_side=0, max_side=9)))
def test_an_array_is_read_as_it_was_written(tmp_path_factory: Any, array: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    np.save(path, array)
    assert np.array_equal(read_npy(path, "a.npy", "<f4"), array, equal_nan=True)
    np.savez(path.with_suffix(".npz"), x=array, names=np.array(["é", "bc"]))
    read = read_npz(path.with_suffix(".npz"), "a.npz", {"x": "<f4", "names": "U"})
    assert np.array_equal(read["x"], array, equal_nan=True)
    assert read["names"].tolist() == ["é", "bc"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (header("(1000000000000,)") + b"\0" * 64, "declares"),
        (header("(4611686018427387904, 4)") + b"\0" * 64, "declares"),
        (header("(-1, -16)") + b"\0" * 64, "declares"),
        (header("(16,)", "|O") + b"\0" * 64, r"holds \|O"),
        (header("(16,)", "<f8") + b"\0" * 128, "holds <f8"),
        (header("(16,)", ">f4") + b"\0" * 64, "holds >f4"),
        (header("(4, 4)", fortran=True) + b"\0" * 64, "Fortran"),
        (header("(16,)") + b"\0" * 63, "declares"),
        (header("(16,)") + b"\0" * 65, "declares"),
        (header("(16,), 'x': __import__('os')") + b"\0" * 64, "not a readable"),
        (b"\x93NUMPY\x09\x00", "not a readable"),
        (pickle.dumps([1, 2]), "not a readable"),
        (b"", "not a readable"),
    ],
    ids=range(13),
)
def test_a_hostile_array_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(ArtifactRefused, match=reason):
        read_npy(path, "a.npy", "<f4")


def test_an_archive_of_other_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(3, np.float32), extra=np.zeros(3))
    with pytest.raises(ArtifactRefused, match="extra"):
        read_npz(tmp_path / "a.npz", "a.npz", {"x": "<f4"})


def test_a_compressed_archive_is_refused_because_it_could_be_a_bomb(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(1_000_000, np.float32))
    with pytest.raises(ArtifactRefused, match="compressed"):
        read_npz(tmp_path / "a.npz", "a.npz", {"x": "<f4"})


def test_an_archive_that_hides_a_huge_shape_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header("(1000000000000,)") + b"\0" * 64)
    with pytest.raises(ArtifactRefused, match="declares"):
        read_npz(tmp_path / "a.npz", "a.npz", {"x": "<f4"})


@given(st.data())
def test_a_bent_archive_is_refused_or_read_but_never_crashes(
    tmp_path_factory: Any, data: st.DataObject
) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.arange(9, dtype=np.float32))
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(ArtifactRefused):
        assert read_npz(path, "a.npz", {"x": "<f4"})["x"].dtype == np.float32
