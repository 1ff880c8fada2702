"""The manifest is a value; whatever is not exactly a manifest is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_version import make_version

from recsys_tasks.artifacts import canonical_json
from recsys_tasks.artifacts.manifest import REQUIRED, Manifest
from recsys_tasks.errors import ArtifactRefused


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_version(tmp_path_factory.mktemp("version"))


def changed(manifest: Manifest, dotted: str, value: Any) -> bytes:
    tree = json.loads(manifest.to_bytes())
    *path, last = dotted.split("/")
    place = tree
    for key in path:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(tree).encode()


def test_its_bytes_read_back_to_itself_and_hash_alike(manifest: Manifest) -> None:
    again = Manifest.from_bytes(manifest.to_bytes())
    assert again == manifest
    assert again.sha256() == manifest.sha256()


def test_a_manifest_from_before_search_could_be_chosen_keeps_its_hash_and_means_annoy(
    manifest: Manifest,
) -> None:
    document = canonical_json.to_bytes(json.loads(changed(manifest, "index/search", None)))
    old = Manifest.from_bytes(document)
    assert old.index.search == "annoy"
    assert old.to_bytes() == document


def test_every_file_is_described_with_hash_size_dtype_and_shape(
    manifest: Manifest, tmp_path: Path
) -> None:
    assert set(REQUIRED) <= set(manifest.files)
    facts = manifest.files["item_embeddings.npy"]
    assert (facts.dtype, facts.shape) == ("float32", [300, 10])
    assert manifest.files["items.jsonl"].shape is None


def test_open_sections_carry_more_keys(manifest: Manifest) -> None:
    for section in ("model", "index", "split", "data", "metrics"):
        read = Manifest.from_bytes(changed(manifest, f"{section}/patience", 3))
        assert json.loads(read.to_bytes())[section]["patience"] == 3


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ("schema_version", 3, "schema version 3; this reader knows 1 and 2"),
        ("schema_version", None, "schema version None"),
        ("schema_version", True, "schema version True"),
        ("surprise", 1, "surprise"),
        ("run/surprise", 1, "run.surprise"),
        ("gate", None, "gate"),
        ("gate/accepted", "yes", "gate.accepted"),
        ("gate/accepted", 1, "gate.accepted"),
        ("index/metric", "euclidean", "index.metric"),
        ("index/width", 10**9, "index.width"),
        ("index/search_k", -1, "index.search_k"),
        ("index/search", "faiss", "index.search"),
        ("files/items.ann/sha256", "00", "items.ann.sha256"),
        ("files/items.ann/bytes", 2**41, "items.ann.bytes"),
        ("files/user_ids.npy/shape", [-1], "shape"),
        ("files/user_ids.npy/shape", [2**35], "shape"),
        ("files/items.ann", None, "items.ann"),
        ("dataset", "../other", "dataset: "),
        ("version", "a/../../b", "version: "),
        ("data/users", 0, "data.users"),
    ],
)
def test_a_changed_manifest_is_refused_and_the_field_named(
    manifest: Manifest, place: str, value: Any, reason: str
) -> None:
    with pytest.raises(ArtifactRefused) as refused:
        Manifest.from_bytes(changed(manifest, place, value))
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    "name", ["../items.ann", "/etc/passwd", "a/b", ".hidden", "a\\b", "", "a\n", "x" * 101]
)
def test_a_hostile_file_name_is_refused(manifest: Manifest, name: str) -> None:
    tree = json.loads(manifest.to_bytes())
    tree["files"][name] = tree["files"]["items.ann"]
    with pytest.raises(ArtifactRefused, match="files"):
        Manifest.from_bytes(json.dumps(tree).encode())


def test_a_manifest_that_holds_itself_is_refused(manifest: Manifest) -> None:
    tree = json.loads(manifest.to_bytes())
    tree["files"]["manifest.json"] = tree["files"]["items.ann"]
    with pytest.raises(ArtifactRefused, match="own sha256"):
        Manifest.from_bytes(json.dumps(tree).encode())


@pytest.mark.parametrize("document", [b"[]", b"null", b"3", b'"text"', b"{}"])
def test_another_kind_of_json_is_refused(document: bytes) -> None:
    with pytest.raises(ArtifactRefused, match="schema version None"):
        Manifest.from_bytes(document)
