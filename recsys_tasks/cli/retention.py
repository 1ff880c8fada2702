"""What is removed from the bucket, and when: ``gc``."""

import re
from argparse import ArgumentTypeError, Namespace
from datetime import timedelta

from recsys_tasks.cli import (
    Answer,
    Subcommands,
    add_command,
    open_database,
    open_store,
    pointer_lock,
)


def add_commands(commands: Subcommands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "gc",
        collect,
        "remove old versions, what crashed publishers left, old runs' files and batches",
        "Never the champion, its predecessor, or what a pointer named within --older-than. What these keys\n"
        "may not remove is named at the end, with exit code 3; the rest is removed all the same.\n\n"
        "example:\n  recsys gc --keep 5 --older-than 30d --dry-run",
    )
    parser.add_argument("--keep", type=_count, required=True, help="newest versions that stay")
    parser.add_argument(
        "--older-than",
        type=_age,
        default=timedelta(days=14),
        metavar="AGE",
        help="remove nothing younger, such as 12h or 30d (default: 14d)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def collect(arguments: Namespace) -> Answer:
    """``recsys gc``."""
    from recsys_tasks.errors import PermanentError
    from recsys_tasks.publish.retention import gc

    done = gc(
        open_store(),
        pointer_lock(open_database(), arguments.dataset),
        arguments.dataset,
        arguments.keep,
        arguments.older_than,
        arguments.dry_run,
    )
    removed = [
        {"prefix": r.prefix, "kind": r.kind, "reason": r.reason, "bytes": r.bytes}
        for r in done.removed
    ]
    kept = [{"version": version, "reason": reason} for version, reason in done.kept]
    verb = "would remove" if done.dry_run else "removed"
    lines = [f"kept      {entry['version']}: {entry['reason']}" for entry in kept]
    lines += [f"{verb} {r['kind']} {r['prefix']}: {r['reason']}, {r['bytes']} B" for r in removed]
    refused = [{"prefix": r.prefix, "kind": r.kind, "reason": said} for r, said in done.refused]
    lines += [complaint] if (complaint := done.complaint()) else []
    document = {"dry_run": done.dry_run, "kept": kept, "removed": removed, "refused": refused}
    text = "\n".join(lines) or "there is nothing in the bucket"
    return Answer(document, text, PermanentError.exit_code if refused else 0)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0 upwards")
    return int(text)


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([mhd])", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is not an age such as 90m, 12h or 30d")
    unit = {"m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return timedelta(**{unit: int(found[1])})
