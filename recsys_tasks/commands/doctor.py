"""``doctor``: what this machine and its services can do, and what to do about the rest."""

from argparse import Namespace
from dataclasses import asdict

from recsys_tasks.commands import Answer, Subcommands, add_command
from recsys_tasks.connections import Connections, stack_home

MARKS = {"ok": "  ok  ", "warning": " warn ", "missing": "MISSING"}


def add_commands(commands: Subcommands) -> None:
    """Adds the command."""
    add_command(
        commands,
        "doctor",
        examine_machine,
        "check compiler, OpenMP, CPU, memory, disk, Postgres and what the S3 store honours",
        "It writes one small object below doctor/ in the bucket and deletes it again.\n"
        "Exit code 0, or 4 when Postgres or S3 is set but does not answer.",
    )


def examine_machine(arguments: Namespace) -> Answer:
    """``recsys doctor``."""
    from recsys_tasks.local.doctor import examine

    findings = examine(Connections.find(), arguments.dataset, stack_home().absolute())
    lines = []
    for finding in findings:
        lines.append(f"{MARKS[finding.state]:<8} {finding.name:<18} {finding.found}")
        if finding.advice:
            lines.append(f"{'':<27} -> {finding.advice}")
    away = any(one.state == "missing" and one.name in ("Postgres", "S3") for one in findings)
    return Answer([asdict(finding) for finding in findings], "\n".join(lines), 4 if away else 0)
