"""Placeholder, replaced in the next commits."""

from recsys_tasks.commands import Subcommands


def add_commands(commands: Subcommands) -> None:
    """Adds nothing yet."""
