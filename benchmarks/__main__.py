"""``python -m benchmarks``: this project measured against the article's code and its baselines, and data for it.

Run it in a clone; nothing of this folder is in the wheel. Exit codes are those of ``recsys``.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks import compare, finalise, flow_command, generate_command, quality
from recsys_tasks.cli.main import run


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    whole = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What it costs and what it reaches."
    )
    commands = whole.add_subparsers(metavar="COMMAND", required=True)
    for theme in (compare, finalise, flow_command, generate_command, quality):
        theme.add_commands(commands)
    return run(whole, argv)


if __name__ == "__main__":
    sys.exit(main())
