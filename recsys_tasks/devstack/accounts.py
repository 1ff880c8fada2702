"""Accounts for the parts of the stack, so that none can read another's files; needs root.

The numbers are from the range that systemd keeps for accounts without an entry in ``/etc/passwd``, so
nothing on the machine has to be made or removed. Anyone but root has one account for everything.
"""

import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NUMBERS = range(61300, 61400)


@dataclass(frozen=True)
class Account:
    """Who runs a part; ``uid`` None: the caller's own account."""

    uid: int | None = None

    def take(self, path: Path) -> None:
        """Makes a file, or a folder with all that is in it, this account's."""
        if self.uid is None:
            return
        for each in (path, *path.rglob("*")):
            os.chown(each, self.uid, self.uid, follow_symlinks=False)

    def own_folder(self, folder: Path) -> Path:
        """A folder of mode 0700, made if need be, that only this account may enter."""
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        self.take(folder)
        return folder


def accounts() -> Iterator[Account]:
    """A fresh account each time for root; the caller's own again and again for anyone else."""
    if os.geteuid() != 0:
        while True:
            yield Account()
    for number in NUMBERS:
        if not _is_known(number):
            yield Account(number)


def _is_known(number: int) -> bool:
    try:
        pwd.getpwuid(number)
    except KeyError:
        return False
    return True
