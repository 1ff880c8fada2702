"""Where a comparison runs: generated files in a folder, and a Postgres of its own."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.generate import generate
from recsys_tasks.config.connections import stack_home
from recsys_tasks.devstack.folders import database_home, state_folder
from recsys_tasks.devstack.postgres import start_postgres


@contextmanager
def prerequisites(
    scale: float, seed: int, progress: Callable[[str], None]
) -> Iterator[tuple[str, Path]]:
    """The database's URL and the folder with movies.csv and ratings.csv; both gone afterwards."""
    home = database_home(state_folder(stack_home()))
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=home))
    folder.chmod(0o711)
    try:
        files = folder / "files"
        generate(scale, seed, files, progress)
        server = start_postgres(folder, secrets.token_hex(16))
        try:
            yield server.url, files
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
