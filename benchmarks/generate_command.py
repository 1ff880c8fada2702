"""``generate``: synthetic ratings or a shop's events as files; ratings are checked against published figures."""

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from recsys_tasks.cli import Answer, Subcommands, add_command

SHOP_USERS, SHOP_ITEMS = 424_000, 60_000
"""Of a shop at scale 1, which has 25 million events."""

LEAST_USERS, LEAST_ITEMS = 100, 320


def add_commands(commands: Subcommands) -> None:
    """Adds ``generate``."""
    parser = add_command(
        commands,
        "generate",
        generate_files,
        "write synthetic ratings at the shape of MovieLens 25M",
        "examples:\n  python -m benchmarks generate --scale 0.01 --seed 1 --out synthetic\n"
        "  python -m benchmarks generate --shop --scale 0.01 --parquet --out shop",
        needs_dataset=False,
    )
    parser.add_argument(
        "--scale", type=float, required=True, metavar="S", help="1: 162,541 users; scaled by users"
    )
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="default: 42")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder")
    parser.add_argument(
        "--shop",
        action="store_true",
        help="events of a shop with UUIDs and SKUs; scale 1: 25 million of them",
    )
    parser.add_argument("--parquet", action="store_true", help="with --shop: events as Parquet")
    parser.add_argument(
        "--check",
        action="store_true",
        help="read the files back and compare them with MovieLens 25M's published figures",
    )


def generate_files(arguments: Namespace) -> Answer:
    """Writes a synthetic dataset and, where asked to, compares it with the published figures."""
    if arguments.shop:
        return _generate_shop(arguments)
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


def _generate_shop(arguments: Namespace) -> Answer:
    """Writes a shop's items and events."""
    from recsys_tasks.devstack.shop import make_shop

    users, items = int(SHOP_USERS * arguments.scale), int(SHOP_ITEMS * arguments.scale)
    size = {"users": max(users, LEAST_USERS), "items": max(items, LEAST_ITEMS)}
    made = make_shop(arguments.out, **size, seed=arguments.seed, parquet=arguments.parquet)
    document = asdict(made) | {
        name: str(getattr(made, name)) for name in ("items_file", "events_file")
    }
    text = (
        f"{arguments.out}: {made.users:,} users, {made.items:,} items, {made.events:,} events,"
        " all synthetic"
    )
    return Answer(document, text)
