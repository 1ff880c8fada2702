"""One small version, opened once; tests that bend a file copy it first."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_version import make_version

from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.reader import Artifacts, open_version
from recsys_tasks.recommend.recommender import Recommender

Bend = Callable[[Path], None]


@pytest.fixture(scope="session")
def version_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("version")


@pytest.fixture(scope="session")
def manifest(version_folder: Path) -> Manifest:
    return make_version(version_folder)


@pytest.fixture(scope="session")
def paths(version_folder: Path, manifest: Manifest) -> dict[str, Path]:
    return {name: version_folder / name for name in manifest.files}


@pytest.fixture(scope="session")
def artifacts(manifest: Manifest, paths: dict[str, Path]) -> Artifacts:
    return open_version(manifest, paths)


@pytest.fixture
def recommender(artifacts: Artifacts) -> Recommender:
    return Recommender(artifacts)
