"""The commands of ``recsys``, a module a theme; each adds its parsers and answers with a value.

A handler takes the parsed arguments and returns an ``Answer``; ``cli`` prints it as text or, with
``--json``, as one JSON document. Heavy imports belong inside the handlers: ``--help`` is quick.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

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
    commands: Subcommands, name: str, handler: Handler, help: str, epilog: str = ""
) -> ArgumentParser:
    """A parser with the options that every command has, wired to its handler."""
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
        default="movielens",
        help="schema in Postgres and prefix in the bucket (default: movielens, which the demo fills)",
    )
    parser.set_defaults(handler=handler)
    return parser
