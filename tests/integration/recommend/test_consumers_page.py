"""The page for consumers keeps its word: its lines of code run, alone, and agree with the recommender."""

import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from tiny_version import DATASET, make_version, unchecked

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.publish.channels import promote
from recsys_tasks.publish.publisher import publish
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services

UNRATED, STRANGER, LATEST = 5, 6, 10_000
"""Ids of a user without ratings, and of two who are not known: one of them beyond the last."""

PAGE = Path(__file__).parents[3] / "docs" / "consumers.md"


def page_code(user_id: int) -> str:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    code = code.replace('"movielens", 42,', f'"{DATASET}", {user_id},')
    assert f'"{DATASET}", {user_id},' in code
    return code


@pytest.fixture(params=["annoy", "exact"])
def champion(bucket: StoreAccess, tmp_path: Path, request: pytest.FixtureRequest) -> ObjectStore:
    store = ObjectStore(bucket)
    manifest = make_version(tmp_path / "version")
    index = manifest.index.model_copy(update={"search": request.param})
    manifest = Manifest.from_bytes(manifest.model_copy(update={"index": index}).to_bytes())
    assert manifest.index.search == request.param
    publish(store, DATASET, manifest.version, tmp_path / "version", manifest)
    promote(store, nullcontext(), DATASET, manifest.version, by="test", verify=unchecked)
    return store


def run(code: str, access: StoreAccess, folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=folder,
        env={**os.environ, **access.variables(), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_lines_need_three_libraries_and_fit_on_a_page() -> None:
    lines = page_code(35).splitlines()
    imports = [line for line in lines if line.startswith(("import", "from"))]
    assert imports == [
        "import hashlib, json, os, sys",
        "from pathlib import Path",
        "import annoy, boto3, numpy as np",
    ]
    assert max(map(len, lines)) < 100


def test_the_lines_give_the_same_top_ten_as_the_recommender(
    champion: ObjectStore, bucket: StoreAccess, tmp_path: Path
) -> None:
    recommender = Recommender.load(champion, DATASET, cache=tmp_path / "cache")
    assert recommender.recommend(STRANGER).tier == "popular"
    for user_id in (35, 65, UNRATED, STRANGER, LATEST):
        done = run(page_code(user_id), bucket, tmp_path / str(user_id))
        assert done.returncode == 0, done.stderr
        printed = [int(line.split()[0]) for line in done.stdout.splitlines()]
        assert printed == [item.movie_id for item in recommender.recommend(user_id).items]


def test_the_lines_stop_at_a_flipped_byte(
    champion: ObjectStore, bucket: StoreAccess, tmp_path: Path
) -> None:
    version = champion.list(keys.versions(DATASET))[0].key.split("/")[2]
    key = keys.version(DATASET, version) + "seen.npz"
    body = bytearray(champion.get(key))
    body[-100] ^= 1
    champion.put(key, bytes(body))
    done = run(page_code(35), bucket, tmp_path / "run")
    assert done.returncode == 1
    assert "not what was published" in done.stderr
