"""Where the embedded stack keeps its files: in the clone, or beside it where Postgres may not enter.

Postgres refuses to run as root. Started by root, it runs as ``nobody``, who must be able to walk to
its data and its programs. Where a folder on the way is closed to others (a clone under ``/root``),
both lie in ``/var/tmp/recsys-<hash of the state folder>`` instead; ``make clean`` removes it.
"""

import hashlib
import os
import stat
from pathlib import Path

from recsys_tasks.errors import SettingsError

UNPRIVILEGED = "nobody"
OUTSIDE = Path("/var/tmp")


def project_folder() -> Path:
    """The folder with ``dags/`` and ``plugins/``: the clone, or the working folder for a wheel."""
    clone = Path(__file__).parents[2]
    return clone if (clone / "dags").is_dir() else Path.cwd()


def database_user() -> str | None:
    """The account that runs Postgres: None for the caller's own, ``nobody`` in place of root."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def open_to_all(folder: Path) -> bool:
    """Whether any account may walk to this folder and into it, as far as it exists."""
    existing = [part for part in (folder, *folder.parents) if part.exists()]
    return all(part.stat().st_mode & stat.S_IXOTH for part in existing)


def state_folder(folder: Path) -> Path:
    """The stack's state folder, made if need be, and ours alone; each secret in it is a file of 0600.

    Root's lets others walk through (but not look), because Postgres' account must.

    Raises:
        SettingsError: it cannot be made, or belongs to someone else.
    """
    return _owned(folder.absolute(), 0o711 if database_user() else 0o700)


def database_home(home: Path) -> Path:
    """Folder for Postgres' files that its account can reach: ``home``, or one outside the clone.

    Args:
        home: the stack's state folder, made by ``state_folder``.

    Raises:
        SettingsError: the folder belongs to someone else, or cannot be made.
    """
    home = home.resolve()
    if database_user() is None or open_to_all(home):
        return home
    return _owned(outside_folder(home), 0o711)


def outside_folder(home: Path) -> Path:
    """Name of the folder outside a closed clone; it need not exist."""
    return OUTSIDE / f"recsys-{hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]}"


def _owned(folder: Path, mode: int) -> Path:
    """The folder with this mode, made if need be, that nobody else has put there."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise SettingsError(f"{folder} belongs to someone else: remove it, or set RECSYS_HOME")
        folder.chmod(mode)
    except OSError as error:
        raise SettingsError(f"{folder} cannot be made: {error.strerror}") from None
    return folder
