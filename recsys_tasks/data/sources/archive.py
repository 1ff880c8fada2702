"""Reads movies.csv and ratings.csv from a zip, after checking the archive's members and sizes.

Members are read in place and never written to disk; an archive with a hostile one is refused all
the same, for nobody makes such a thing by accident.
"""

import stat
import zipfile
from pathlib import Path, PurePosixPath

from recsys_tasks.errors import InputRejected
from recsys_tasks.printable import printable

ROLES = ("movies", "ratings")
ENCRYPTED = 0x1
READABLE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def find_members(path: Path, name: str) -> dict[str, str]:
    """The names of the two members, by role.

    Args:
        path: the archive.
        name: what to call it in a message.

    Raises:
        InputRejected: no zip, cut or corrupt; a member that leads outside, is a link, is encrypted,
            or is there more than once; one of the two files is missing.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except FileNotFoundError:
        raise InputRejected(name, "no such file", "a zip archive") from None
    except PermissionError as error:
        raise InputRejected(name, f"it cannot be read: {error.strerror}") from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputRejected(
            name, f"this is no zip archive, or a cut one: {error}", advice="Fetch it again"
        ) from None
    for member in members:
        problem = _problem(member)
        if problem:
            raise InputRejected(f"{name}:{_printable(member)}", problem, "plain files inside")
    return {role: _only_member(members, role, name) for role in ROLES}


def _problem(member: zipfile.ZipInfo) -> str | None:
    """Why a member makes the whole archive unfit."""
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if (
        path.is_absolute()
        or ".." in path.parts
        or ":" in member.filename
        or "\\" in member.filename
    ):
        return "its path leads outside the archive"
    mode = member.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "it is a symbolic link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is a pipe or a device"
    return None


def _printable(member: zipfile.ZipInfo) -> str:
    """A member's name for a message of one line."""
    return printable(member.filename[:200])


def _only_member(members: list[zipfile.ZipInfo], role: str, name: str) -> str:
    """The one member that is this role's file.

    Raises:
        InputRejected: there is none, or more than one, or it cannot be read.
    """
    wanted = f"{role}.csv"
    found = [
        member
        for member in members
        if PurePosixPath(member.filename).name == wanted and not member.is_dir()
    ]
    if not found:
        held = ", ".join(map(_printable, members[:10])) or "nothing"
        raise InputRejected(name, f"no {wanted} in it; it holds {held}", f"one {wanted}")
    if len(found) > 1:
        names = ", ".join(map(_printable, found[:10]))
        raise InputRejected(name, f"{wanted} is in it more than once: {names}", f"one {wanted}")
    member = found[0]
    if member.flag_bits & ENCRYPTED:
        raise InputRejected(f"{name}:{_printable(member)}", "it is encrypted", "a plain member")
    if member.compress_type not in READABLE:
        raise InputRejected(
            f"{name}:{_printable(member)}",
            f"it is compressed by method {member.compress_type}",
            "deflate or none",
        )
    return member.filename
