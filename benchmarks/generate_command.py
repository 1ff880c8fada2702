"""``generate``: synthetic ratings as files, and their check against MovieLens 25M's published figures."""

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from recsys_tasks.cli import Answer, Subcommands, add_command


def add_commands(commands: Subcommands) -> None:
    """Adds ``generate``."""
    parser = add_command(
        commands,
        "generate",
        generate_files,
        "write synthetic ratings at the shape of MovieLens 25M",
        "example:\n  python -m benchmarks generate --scale 0.01 --seed 1 --out synthetic",
        needs_dataset=False,
    )
    parser.add_argument(
        "--scale", type=float, required=True, metavar="S", help="1: 162,541 users; scaled by users"
    )
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="default: 42")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder")
    parser.add_argument(
        "--check",
        action="store_true",
        help="read the files back and compare them with MovieLens 25M's published figures",
    )


def generate_files(arguments: Namespace) -> Answer:
    """Writes a synthetic dataset and, where asked to, compares it with the published figures."""
    import logging

    from benchmarks.generate import generate
    from benchmarks.synthetic.check import check

    progress = logging.getLogger(__name__).info
    made = generate(arguments.scale, arguments.seed, arguments.out, progress)
    facts = check(arguments.out) if arguments.check else ()
    document = asdict(made) | {
        "folder": str(made.folder),
        "facts": [asdict(fact) | {"holds": fact.holds} for fact in facts],
    }
    text = (
        f"{made.folder}: {made.users:,} users, {made.movies:,} movies, {made.ratings:,} ratings,"
        " all synthetic"
    )
    lines = [text, *map(str, facts)]
    return Answer(document, "\n".join(lines), 0 if all(fact.holds for fact in facts) else 3)
