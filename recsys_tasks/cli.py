"""``recsys``: every step and every question by hand, without Airflow.

Answers go to stdout, logs to stderr. Exit codes: 0 done; 2 usage; 3 the input or the model was
refused; 4 a service could not be reached.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from importlib import import_module

from recsys_tasks.errors import RecsysError

THEMES = ("stack", "demo", "data", "train", "versions", "ask", "bench")
"""Modules of ``recsys_tasks.commands``, in the order in which ``--help`` lists their commands."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; a refused input or model is one line on stderr."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    try:
        answer = arguments.handler(arguments)
    except RecsysError as error:
        print(f"recsys: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("recsys: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    if arguments.json:
        print(json.dumps(answer.document, ensure_ascii=False, allow_nan=False, indent=1))
    elif answer.text:
        print(answer.text)
    return int(answer.exit_code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recsys",
        description="From a table of ratings to a published recommender, every night.",
        epilog="Exit codes: 0 done; 2 usage; 3 input or model refused; 4 a service is away.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for theme in THEMES:
        import_module(f"recsys_tasks.commands.{theme}").add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
