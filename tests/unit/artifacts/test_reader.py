"""A version opens only if its files are what the manifest says and agree with each other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_tasks.artifacts import reader as artifacts_module
from recsys_tasks.artifacts.manifest import FileFacts, Manifest
from recsys_tasks.artifacts.reader import open_version
from recsys_tasks.errors import ArtifactRefused


def bend_array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def bend(path: Path) -> None:
        array = change(np.array(np.load(path)))
        path.unlink()
        np.save(path, array)

    return bend


def bend_archive(**changes: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def bend(path: Path) -> None:
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
        path.unlink()
        np.savez(path, **(arrays | {name: f(arrays[name]) for name, f in changes.items()}))

    return bend


def put(place: Any, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array[place] = value
        return array

    return change


def rewrite(text: bytes, other: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes().replace(text, other, 1)) and None


BENT: list[tuple[str, Callable[[Path], None], str]] = [
    ("user_embeddings.npy", bend_array(put((3, 2), np.nan)), "NaN"),
    ("item_embeddings.npy", bend_array(put((3, 2), np.inf)), "NaN or infinity"),
    ("item_embeddings.npy", bend_array(put((3, -2), 2)), "is not 1"),
    ("user_embeddings.npy", bend_array(lambda a: a[:-1]), "shape"),
    ("user_embeddings.npy", bend_array(lambda a: a.astype(np.float64)), "holds <f8"),
    ("user_ids.npy", bend_array(lambda a: a[::-1].copy()), "ascending"),
    ("item_ids.npy", bend_array(put(1, 2)), "ascending"),
    ("user_counts.npy", bend_array(put(0, -1)), "counts"),
    ("seen.npz", bend_archive(indices=put(0, 300)), "not a CSR"),
    ("seen.npz", bend_archive(indices=put(0, -1)), "not a CSR"),
    ("seen.npz", bend_archive(indptr=put(5, 10**9)), "not a CSR"),
    ("seen.npz", bend_archive(indptr=lambda a: a[:-1]), "not a CSR"),
    ("features.npz", bend_archive(embeddings=put((0, 0), np.nan)), "NaN"),
    ("features.npz", bend_archive(names=lambda a: a[:-1]), "components for each name"),
    ("items.jsonl", rewrite(b'"movie_id":2,', b'"movie_id":3,'), "ids of item_ids.npy"),
    ("items.jsonl", rewrite(b'"positives"', b'"positives":1,"positives"'), "twice"),
    ("items.jsonl", rewrite(b'["Comedy"]', b'["Comedy",7]'), "not a movie"),
    ("popular.json", rewrite(b"[", b"[[],"), "not a list of items"),
    ("popular.json", rewrite(b'"movie_id":', b'"movie_id":1'), "not in item_ids.npy"),
    (
        "popular.json",
        rewrite(b'"movie_id":', b'"movie_id":99999999999999999999'),
        "not in item_ids.npy",
    ),
    ("items.ann", lambda path: path.write_bytes(path.read_bytes()[:-8]) and None, "bytes"),
    ("items.ann", lambda path: path.write_bytes(b"\0" * path.stat().st_size) and None, "hold"),
]


@pytest.mark.parametrize(("name", "bend", "reason"), BENT, ids=lambda value: str(value)[:24])
def test_a_file_that_is_bent_but_consistently_declared_is_refused_by_name(
    manifest: Manifest,
    paths: dict[str, Path],
    tmp_path: Path,
    name: str,
    bend: Callable[[Path], None],
    reason: str,
) -> None:
    copied = Path(shutil.copy(paths[name], tmp_path / name))
    bend(copied)
    honest = {n: facts for n, facts in manifest.files.items() if n != name}
    undeclared = manifest.model_copy(update={"files": honest})
    with pytest.raises(ArtifactRefused, match=reason) as refused:
        open_version(undeclared, {**paths, name: copied})
    assert refused.value.name == name


def test_another_shape_than_the_manifest_says_is_refused(
    manifest: Manifest, paths: dict[str, Path]
) -> None:
    facts = FileFacts(**{**manifest.files["user_ids.npy"].model_dump(), "shape": [41]})
    wrong = manifest.model_copy(update={"files": {**manifest.files, "user_ids.npy": facts}})
    with pytest.raises(ArtifactRefused, match=r"user_ids.npy: shape \[40\]"):
        open_version(wrong, paths)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 9},
        {"metric": "dot"},
        {"transform": "none"},
        {"metric": "dot", "transform": "none"},
        {"metric": "dot", "transform": "none", "width": 9},
        {"trees": 100_00},
        {"format": "0" * 64},
    ],
    ids=str,
)
def test_an_index_that_is_not_as_the_manifest_says_never_reaches_annoy(
    manifest: Manifest,
    paths: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:
    class Unreachable:
        def load(self, path: str) -> None:
            pytest.fail("annoy was given the file")

    monkeypatch.setattr(artifacts_module, "AnnoyIndex", lambda *_: Unreachable())
    index = manifest.index.model_copy(update=changes)
    with pytest.raises(ArtifactRefused, match=r"items\.ann"):
        open_version(manifest.model_copy(update={"index": index}), paths)


def test_an_index_over_other_items_is_refused(
    manifest: Manifest, paths: dict[str, Path], tmp_path: Path
) -> None:
    copied = Path(shutil.copy(paths["items.ann"], tmp_path / "items.ann"))
    words = np.memmap(copied, "<f4", "r+").reshape(-1, 13)
    words[:300, 3:] *= 2
    words.flush()
    with pytest.raises(ArtifactRefused, match="row 0 is not that of"):
        open_version(manifest, {**paths, "items.ann": copied})


def test_titles_keep_every_character(manifest: Manifest, paths: dict[str, Path]) -> None:
    opened = open_version(manifest, paths)
    assert opened.movies[7].title == "Film №7, a «tale»"
    assert json.loads(paths["items.jsonl"].read_bytes().splitlines()[7])["movie_id"] == 51


FOLD_IN = {
    "item_scale": np.ones(300, np.float32),
    "base": np.zeros(5, np.float32),
    "centre": np.zeros(3, np.float32),
    "matrix": np.zeros((4, 3), np.float32),
    "prior": np.array(2, np.float32),
}
"""For 300 items of eight components."""


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("item_scale", np.ones(299, np.float32)),
        ("base", np.zeros(9, np.float32)),
        ("centre", np.zeros(4, np.float32)),
        ("matrix", np.full((4, 3), np.nan, np.float32)),
        ("prior", np.array(0, np.float32)),
    ],
)
def test_a_bent_fold_in_is_refused_and_a_whole_one_opens(
    manifest: Manifest, paths: dict[str, Path], tmp_path: Path, name: str, array: np.ndarray
) -> None:
    file = tmp_path / "fold_in.npz"
    np.savez(file, **FOLD_IN)
    opened = open_version(manifest, {**paths, "fold_in.npz": file})
    assert opened.fold_in is not None

    np.savez(file, **FOLD_IN | {name: array})
    with pytest.raises(ArtifactRefused, match=r"fold_in\.npz"):
        open_version(manifest, {**paths, "fold_in.npz": file})
