"""The wheel in a clean environment with Airflow: plugins by entry point, and DAGs from a file of two lines."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.slow("wheel in Airflow")]

PROJECT = Path(__file__).parents[2]
TWO_LINES = "from recsys_airflow.factory import make_dags\nmake_dags()\n"
CHECK = "from recsys_airflow.factory import check_settings  # of every DAG\ncheck_settings()\n"
BAG = """
import json
from airflow.dag_processing.dagbag import DagBag
bag = DagBag()
print(json.dumps([sorted(bag.dags), bag.import_errors]))
"""
KINDS = ("batch", "retention", "train", "tune")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds Airflow and this project's wheel, in the lock's versions."""
    home = tmp_path_factory.mktemp("wheel")
    run = partial(subprocess.run, cwd=PROJECT, check=True)
    uv = shutil.which("uv") or str(PROJECT / ".venv/bin/uv")
    extras = ("--extra", "airflow", "--extra", "train")
    export = ("export", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "--quiet")
    run([uv, *export, *extras, "--output-file", home / "locked.txt"])
    run([uv, "build", "--quiet", "--wheel", "--out-dir", home / "dist"])
    run([uv, "venv", "--quiet", "--no-python-downloads", "--python", sys.executable, home / "venv"])
    (wheel,) = (home / "dist").glob("*.whl")
    install = ("pip", "install", "--quiet", "--python", home / "venv/bin/python")
    run([uv, *install, "--requirements", home / "locked.txt", wheel])
    return home / "venv/bin"


@pytest.fixture
def airflow(programs: Path, tmp_path: Path) -> partial[str]:
    """Runs a program of the environment in an Airflow with the two files; returns what it prints."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "recommenders.py").write_text(TWO_LINES)
    (tmp_path / "dags" / "recommenders_settings.py").write_text(CHECK)
    variables = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }

    def run(program: str, *arguments: str, **more: str) -> str:
        done = subprocess.run(
            [programs / program, *arguments],
            env=variables | more,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return partial(run)


def test_the_plugins_are_listed_once_from_the_wheel(airflow: partial[str]) -> None:
    listed = json.loads(airflow("airflow", "plugins", "--output", "json"))
    sources = {one["name"]: one["source"] for one in listed}
    assert sorted(sources) == ["recommender_notes", "recommender_pages"]
    assert all(source.startswith("recsys-tasks==") for source in sources.values())


def test_a_dag_file_of_two_lines_makes_the_dags(airflow: partial[str]) -> None:
    dags, errors = json.loads(airflow("python", "-c", BAG).splitlines()[-1])
    assert dags == [f"recsys_{kind}" for kind in KINDS]
    assert errors == {}


def test_with_a_folder_of_settings_it_makes_those_of_each_data_set(
    airflow: partial[str], tmp_path: Path
) -> None:
    folder = tmp_path / "settings"
    folder.mkdir()
    for name in ("books", "shop"):
        (folder / f"{name}.toml").write_text(f'dataset = "{name}"\n')
    (folder / "tea.toml").write_text('dataset = "tea"\n[train]\nepochs = 0\n')
    printed = airflow("python", "-c", BAG, RECSYS_SETTINGS_DIR=str(folder))
    dags, errors = json.loads(printed.splitlines()[-1])
    assert dags == [f"recsys_{kind}_{name}" for kind in KINDS for name in ("books", "shop")]
    [(file, said)] = errors.items()
    assert file.endswith("recommenders_settings.py")
    assert "tea.toml: train.epochs: Input should be greater than or equal to 1" in said
