"""Makes the code and the Python readable for workers of other accounts.

A Python under root's closed home is copied (without tests, about 60 MB) to where they can run it.
"""

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from recsys_tasks.devstack.folders import open_to_all
from recsys_tasks.errors import SettingsError

UNNEEDED = (
    "test",
    "tests",
    "site-packages",
    "__pycache__",
    "*.a",
    "config-*",
    "idlelib",
    "tkinter",
)


@dataclass(frozen=True)
class Python:
    """How to start this environment's Python: its program, and variables that it needs."""

    program: Path
    variables: dict[str, str] = field(default_factory=dict)


def is_open(*folders: Path) -> bool:
    """Whether any account can walk to this package, its libraries and these folders."""
    return all(open_to_all(folder) for folder in (_project(), _libraries(), *folders))


def python_for_all(folder: Path) -> Python:
    """This environment's Python where any account can run it; a copy lands in ``folder``.

    Raises:
        SettingsError: the copy cannot be made.
    """
    if open_to_all(Path(sys.executable)) and open_to_all(Path(sys.executable).resolve()):
        return Python(Path(sys.executable))
    copy = _copied(Path(sys.base_prefix), folder / f"python-{sysconfig.get_python_version()}")
    path = os.pathsep.join([str(_libraries()), str(_project())])
    variables = {"PYTHONPATH": path, "LD_LIBRARY_PATH": str(copy / "lib")}
    return Python(copy / "bin" / Path(sys.executable).resolve().name, variables)


def _project() -> Path:
    """The folder that holds the package ``recsys_tasks``."""
    return Path(__file__).parents[2]


def _libraries() -> Path:
    return Path(sysconfig.get_path("purelib"))


def _copied(prefix: Path, target: Path) -> Path:
    """The interpreter and its standard library in ``target``: complete or not at all."""
    if target.exists():
        return target
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    standard = Path(sysconfig.get_path("stdlib"))
    try:
        ignored = shutil.ignore_patterns(*UNNEEDED)
        shutil.copytree(standard, partial / "lib" / standard.name, symlinks=True, ignore=ignored)
        for library in (prefix / "lib").glob("libpython*.so*"):
            shutil.copy2(library, partial / "lib", follow_symlinks=False)
        (partial / "bin").mkdir()
        shutil.copy2(Path(sys.executable).resolve(), partial / "bin")
        partial.chmod(0o755)
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise SettingsError(f"{target} cannot be written: {error}") from None
    return target
