"""A clean environment with the base dependencies and nothing else asks the bucket and verifies it."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from tiny_version import DATASET, make_version, unchecked

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.publish.channels import promote
from recsys_tasks.publish.publisher import publish
from recsys_tasks.recommend.recommender import Recommender

pytestmark = [pytest.mark.services, pytest.mark.slow("consumer's environment")]

PROJECT = Path(__file__).parents[3]
PYTHON = os.environ.get("RECSYS_CONSUMER_PYTHON", sys.executable)
"""Another interpreter than the tests' own: RECSYS_CONSUMER_PYTHON=python3.13."""

ABSENT = ("airflow", "lightfm", "psycopg2", "scipy", "sqlalchemy", "numba", "matplotlib", "pytest")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with this project's base dependencies, at the versions of the lock."""
    uv = shutil.which("uv") or PROJECT / ".venv/bin/uv"  # one of the two made the environment
    home = tmp_path_factory.mktemp("consumer") / "venv"
    subprocess.run(
        [uv, "sync", "--frozen", "--no-dev", "--quiet", "--python", PYTHON],
        cwd=PROJECT,
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(home), "UV_PYTHON_DOWNLOADS": "never"},
        check=True,
    )
    return home / "bin"


@pytest.fixture
def champion(bucket: StoreAccess, tmp_path: Path) -> ObjectStore:
    store = ObjectStore(bucket)
    manifest = make_version(tmp_path / "version")
    publish(store, DATASET, manifest.version, tmp_path / "version", manifest)
    promote(store, nullcontext(), DATASET, manifest.version, by="test", verify=unchecked)
    return store


def test_nothing_of_training_or_airflow_is_there(environment: Path) -> None:
    code = f"""
import importlib.util
print([name for name in {ABSENT} if importlib.util.find_spec(name)])
"""
    done = subprocess.run([environment / "python", "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_commands_of_a_consumer_answer_there(
    environment: Path, champion: ObjectStore, bucket: StoreAccess, tmp_path: Path
) -> None:
    variables = {**os.environ, **bucket.variables(), "XDG_CACHE_HOME": str(tmp_path)}

    def ask(*words: str) -> dict:
        done = subprocess.run(
            [environment / "recsys", *words, "--dataset", DATASET, "--json"],
            env=variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    expected = Recommender.load(champion, DATASET, cache=tmp_path / "ours").recommend(35, 5)
    found = ask("recommend", "--user", "35", "-k", "5")
    assert [i["movie_id"] for i in found["items"]] == [i.movie_id for i in expected.items]
    assert ask("verify", "champion")["queries"] > 10
    assert ask("versions")[0]["champion"] is True
    assert ask("similar", "--movie", "2")["movie_id"] == 2
