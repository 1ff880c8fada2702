"""The commands of ``recsys``, a module a theme; each adds its parsers and answers with a value.

A handler takes the parsed arguments and returns an ``Answer``; ``cli`` prints it as text or, with
``--json``, as one JSON document. Heavy imports belong inside the handlers: ``--help`` is quick.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from recsys_tasks.artifacts.object_store import ObjectStore
    from recsys_tasks.data.db.postgres import Database

Handler = Callable[[Namespace], "Answer"]


@dataclass(frozen=True)
class Answer:
    """What a command found or did: for a program, for a person, and how it ended."""

    document: Any
    text: str
    exit_code: int = field(default=0)


class Subcommands(Protocol):
    """The part of argparse's sub-parsers that a command module uses."""

    def add_parser(self, name: str, **kwargs: Any) -> ArgumentParser:
        """A parser for one more command."""
        ...


def add_command(
    commands: Subcommands,
    name: str,
    handler: Handler,
    help: str,
    epilog: str = "",
    needs_dataset: bool = True,
) -> ArgumentParser:
    """A parser with the options that every command has, wired to its handler.

    ``needs_dataset``: ``dataset_of`` finds one before the handler runs.
    """
    from argparse import RawDescriptionHelpFormatter

    parser = commands.add_parser(
        name,
        help=help,
        description=help,
        epilog=epilog,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    parser.add_argument(
        "--dataset",
        help="schema in Postgres and prefix in the bucket (default: what --settings or "
        "RECSYS_SETTINGS names, else movielens, which the demo fills)",
    )
    parser.set_defaults(handler=handler, needs_dataset=needs_dataset)
    return parser


def add_settings_file(parser: ArgumentParser) -> None:
    """The option ``--settings``."""
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="TOML with a table a section (default: the file that RECSYS_SETTINGS names)",
    )


def settings_file_of(arguments: Namespace) -> Path | None:
    """The settings file that the call names, else the environment's."""
    from recsys_tasks.config.settings import settings_file

    return getattr(arguments, "settings", None) or settings_file()


def dataset_of(arguments: Namespace) -> str:
    """The dataset that the call names, else the settings file's, else the default one.

    Raises:
        SettingsError: the settings file cannot be read.
    """
    from recsys_tasks.config.settings import Settings

    return arguments.dataset or Settings.dataset_in(settings_file_of(arguments))


def open_store() -> "ObjectStore":
    """The bucket that the environment or the embedded stack names."""
    from recsys_tasks.artifacts.object_store import ObjectStore
    from recsys_tasks.config.connections import Connections

    return ObjectStore(Connections.find().store())


def open_database() -> "Database":
    """The Postgres that the environment or the embedded stack names."""
    from recsys_tasks.config.connections import Connections
    from recsys_tasks.data.db.postgres import Database

    return Database(Connections.find().database_url())


def pointer_lock(database: "Database", dataset: str) -> "AbstractContextManager[object]":
    """The lock under which the pointers of a dataset move."""
    from recsys_tasks.publish.pointer_move import lock_name

    return database.advisory_lock(lock_name(dataset))


def check_out(file: Path | None) -> None:
    """Refuses a file to write whose folder does not exist, before the work that fills it begins.

    Raises:
        SettingsError: there is no such folder, or a folder is in the file's place.
    """
    from recsys_tasks.errors import SettingsError

    if file is None:
        return
    if not file.absolute().parent.is_dir():
        raise SettingsError(f"--out {file}: there is no folder {file.parent}: make it first")
    if file.is_dir():
        raise SettingsError(f"--out {file}: this is a folder: name a file in it")
