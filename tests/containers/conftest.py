"""An engine of this run's own, and the clone as a compose project on it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from compose_project import OWNER, ComposeProject, copy_of_clone, write_env

ENGINE = Path(__file__).parent / "engine.sh"
NEEDS = ("dockerd", "iptables", "debootstrap")
NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--fork", "true")
"""What root may do where a container can be started."""


def what_is_lacking() -> str:
    """Why no engine can be started here, in a sentence; empty: one can."""
    missing = [name for name in NEEDS if shutil.which(name, path="/usr/sbin:/usr/bin") is None]
    if missing or os.geteuid() != 0:
        return f"containers need root and {', '.join(missing or NEEDS)}"
    if subprocess.run(NAMESPACES, capture_output=True).returncode != 0:
        return "containers need a root who may make namespaces, and this one may not"
    if any(process.info["name"] == "dockerd" for process in psutil.process_iter(["name"])):
        return "another Docker engine runs, and each rewrites the firewall's chains of the other"
    return ""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The socket of an engine that has the base images; CONTAINERS_HOME keeps them for the next run."""
    if lacking := what_is_lacking():
        pytest.skip(f"NOT TESTED: {lacking}")
    kept = os.environ.get("CONTAINERS_HOME")
    home = Path(kept).absolute() if kept else tmp_path_factory.mktemp("engine")
    try:
        subprocess.run(["bash", ENGINE, "up", home], check=True)
        yield f"unix://{home}/docker.sock"
    finally:
        subprocess.run(["bash", ENGINE, "down", home], check=True)
        if not kept:
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def installation(
    engine: str, sample: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComposeProject]:
    """The clone with real ratings in ``data``, not started; afterwards nothing of it is left."""
    folder = copy_of_clone(tmp_path_factory.mktemp("clone") / "app")
    write_env(folder)
    for name in ("movies.csv", "ratings.csv"):
        shutil.copy(sample / name, folder / "data" / name)
    os.chown(folder / "data", OWNER, OWNER)
    made = ComposeProject(folder, engine)
    made.compose("--profile", "celery", "down", "--volumes")
    try:
        yield made
    finally:
        made.compose("--profile", "celery", "down", "--volumes")
