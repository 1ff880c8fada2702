"""The wheel in a clean environment, without extras: it asks the bucket and verifies it, and each command
that needs more says so in one line."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
from tiny_version import DATASET, make_version, unchecked

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.cli.main import parser
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
    """The programs of a virtual environment that holds this project's wheel, with the lock's versions."""
    home = tmp_path_factory.mktemp("consumer")
    run = partial(subprocess.run, cwd=PROJECT, check=True)
    uv = shutil.which("uv") or str(PROJECT / ".venv/bin/uv")  # one of the two made the environment
    export = ("export", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes")
    run([uv, *export, "--quiet", "--output-file", home / "base.txt"])
    run([uv, "build", "--quiet", "--wheel", "--out-dir", home / "dist"])
    run([uv, "venv", "--quiet", "--no-python-downloads", "--python", PYTHON, home / "venv"])
    (wheel,) = (home / "dist").glob("*.whl")
    install = ("pip", "install", "--quiet", "--python", home / "venv/bin/python")
    run([uv, *install, "--requirements", home / "base.txt", wheel])
    return home / "venv/bin"


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

    manifest = json.loads(champion.get(keys.manifest(DATASET, ask("versions")[0]["version"])))
    expected = Recommender.load(champion, DATASET, cache=tmp_path / "ours").recommend(35, 5)
    found = ask("recommend", "--user", "35", "-k", "5")
    assert [i["movie_id"] for i in found["items"]] == [i.movie_id for i in expected.items]
    assert ask("verify", "champion")["queries"] > 10
    assert ask("versions")[0]["champion"] is True
    assert ask("similar", "--movie", "2")["movie_id"] == 2
    assert ask("show", "champion")["files"] == manifest["files"]
    assert [move["promoted_by"] for move in ask("history")] == ["test"]


LACKING: dict[str, tuple[tuple[str, ...], int, str]] = {
    "up": ((), 2, "the extra local"),
    "down": ((), 2, "the extra local"),
    "status": ((), 2, "the extra local"),
    "env": ((), 4, "no embedded stack runs"),
    "demo": ((), 2, "the extra train"),
    "fetch": (("sample",), 2, "recsys-tasks[sample]"),
    "migrate": ((), 2, "the extra train"),
    "ingest": (("--movies", "movies.csv", "--ratings", "ratings.csv"), 2, "the extra train"),
    "train": ((), 2, "the extra train"),
    "tune": ((), 2, "the extra train"),
    "backtest": (("--from", "2016-01-01"), 2, "the extra train"),
    "versions": ((), 4, "is not set"),
    "show": (("champion",), 4, "is not set"),
    "history": ((), 4, "is not set"),
    "promote": (("20261124T030000Z-1a2b3c4d",), 2, "the extra train"),
    "rollback": ((), 2, "the extra train"),
    "gc": (("--keep", "3"), 4, "is not set"),
    "verify": (("champion",), 4, "is not set"),
    "compare": (("champion", "previous"), 2, "the extra train"),
    "datasets": ((), 4, "is not set"),
    "search": (("matrix",), 4, "is not set"),
    "report": (("champion",), 4, "is not set"),
    "deliver": ((), 2, "RECSYS_PROMOTION_WEBHOOK is not set"),
    "recommend": (("--user", "1"), 4, "is not set"),
    "similar": (("--movie", "1"), 4, "is not set"),
    "batch": (("--out", "lists.jsonl"), 4, "is not set"),
    "policy": (("show",), 4, "is not set"),
}
"""Each command without a store: its least arguments, its exit code and what it says that it lacks."""


def commands() -> list[str]:
    (parsers,) = (action for action in parser()._actions if isinstance(action.choices, dict))
    return [name for name in parsers.choices if name != "doctor"]  # looks at what is there


def test_doctor_looks_at_what_it_can_and_names_the_rest(environment: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [environment / "recsys", "doctor"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "C++ compiler" in done.stdout
    assert "not examined: " in done.stdout


@pytest.mark.parametrize("command", commands())
def test_a_command_says_in_one_line_what_it_lacks(
    environment: Path, tmp_path: Path, command: str
) -> None:
    arguments, exit_code, lack = LACKING[command]
    done = subprocess.run(
        [environment / "recsys", command, *arguments],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stderr.startswith("recsys: ")
    assert len(done.stderr.splitlines()) == 1
    assert (done.returncode, done.stdout) == (exit_code, "")
    assert lack in done.stderr
