"""``up``, ``down``, ``status``, ``env``: the embedded Postgres, S3 server and Airflow."""

import shlex
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_tasks.cli import Answer, Subcommands, add_command
from recsys_tasks.config.connections import no_stack, stack_home
from recsys_tasks.errors import AirflowUnavailable, ServicesUnknown, SettingsError

if TYPE_CHECKING:
    from recsys_tasks.devstack.status import Part
    from recsys_tasks.devstack.supervisor import Options

PORTS = (("airflow", 8080), ("postgres", 55432), ("s3", 9000), ("redis", 6379))

PAUSED = (
    "Every DAG is paused: switch recsys_train on in Airflow, and it runs every night. The home page shows "
    "the triggerer red: this stack runs none."
)
"""What a person who opens the home page wonders about."""


def add_commands(commands: Subcommands) -> None:
    """Adds the four commands."""
    up = add_command(
        commands,
        "up",
        start,
        "start the embedded Postgres, S3 server and Airflow, and leave them running",
        "examples:\n"
        "  recsys up                        ports 8080, 55432 and 9000, or free ones\n"
        "  recsys up --airflow-port 8090    this port or none\n"
        "  recsys up --no-airflow           Postgres and S3 only\n"
        "  recsys up --executor celery      tasks on two workers, kept apart as two hosts would be\n\n"
        "State lies in .recsys (or RECSYS_HOME) and stays there when the stack stops.",
        needs_dataset=False,
    )
    add_stack_options(up)
    add_command(
        commands,
        "down",
        stop,
        "stop what `recsys up` started; its data stays",
        needs_dataset=False,
    )
    add_command(
        commands,
        "status",
        show_status,
        "whether the stack runs, and where each part is",
        needs_dataset=False,
    )
    add_command(
        commands,
        "env",
        show_env,
        "print the running stack's connections and Airflow's logins",
        'example:\n  eval "$(recsys env)"    gives them to other tools of this shell',
        needs_dataset=False,
    )


def add_stack_options(parser: ArgumentParser) -> None:
    """Options of a command that starts the stack."""
    for part, usual in PORTS:
        parser.add_argument(
            f"--{part}-port",
            type=port,
            metavar="PORT",
            help=f"loopback port (default: {usual}, or a free one when that is taken)",
        )
    parser.add_argument("--no-airflow", action="store_true", help="Postgres and S3 only")
    parser.add_argument(
        "--executor",
        choices=("local", "celery"),
        default="local",
        help="where tasks run: beside the scheduler, or on Celery workers over Redis",
    )
    parser.add_argument(
        "--workers",
        type=workers,
        default=2,
        metavar="N",
        help="Celery workers; the last one trains (default: 2)",
    )
    parser.add_argument("--dags", type=Path, metavar="DIR", help="DAGs folder (default: ./dags)")
    parser.add_argument(
        "--plugins", type=Path, metavar="DIR", help="plugins folder (default: ./plugins)"
    )


def start(arguments: Namespace) -> Answer:
    """``recsys up``."""
    from recsys_tasks.config.interruption import interruptible
    from recsys_tasks.devstack.stack import AlreadyRuns, start_stack
    from recsys_tasks.devstack.status import read_env

    home = stack_home().absolute()
    print(f"Starting the stack in {home}", file=sys.stderr)
    try:
        with interruptible():
            env = start_stack(stack_options(arguments, home), report_part)
    except AlreadyRuns:
        known = read_env(home)
        if known is None:
            raise AirflowUnavailable(
                "the stack is just starting or stopping: wait for it"
            ) from None
        return Answer({**known, "already_running": True}, "It runs already.\n" + describe(known))
    return Answer({**env, "already_running": False}, describe(env))


def stop(_arguments: Namespace) -> Answer:
    """``recsys down``."""
    from recsys_tasks.devstack.stack import stop_stack

    _refuse_elsewhere()
    stopped = stop_stack(stack_home())
    return Answer({"stopped": stopped}, "Stopped." if stopped else "Nothing runs.")


def show_status(_arguments: Namespace) -> Answer:
    """``recsys status``."""
    from recsys_tasks.devstack.folders import outside_folder
    from recsys_tasks.devstack.stack import running_status
    from recsys_tasks.devstack.status import read_status

    _refuse_elsewhere()
    home = stack_home().absolute()
    outside = outside_folder(home)
    folders = {"home": str(home), "outside": str(outside) if outside.exists() else None}
    status = running_status(home)
    if status is None:
        last = read_status(home)
        reason = f" It failed: {last.message}" if last and last.message else ""
        lines = [f"Nothing runs in {home}.{reason}"]
    else:
        lines = [f"The stack in {home} is {status.phase} (supervisor {status.supervisor})."]
        lines += [f"  {part.name:<22} {part.address:<28} {part.log}" for part in status.parts]
    if outside.exists():
        lines.append(f"Postgres' files lie in {outside}, because its account may not enter {home}.")
    document = {"running": status is not None, **folders, **(asdict(status) if status else {})}
    return Answer(document, "\n".join(lines))


def _refuse_elsewhere() -> None:
    """Outside the checkout there is no stack to speak of, though one may run elsewhere.

    Raises:
        ServicesUnknown: no state folder is here; the message says where it was looked for.
    """
    if not stack_home().is_dir():
        raise ServicesUnknown(no_stack())


def show_env(_arguments: Namespace) -> Answer:
    """``recsys env``."""
    from recsys_tasks.devstack.status import read_env

    env = read_env(stack_home())
    if env is None:
        raise ServicesUnknown(no_stack())
    return Answer(env, "\n".join(f"export {name}={shlex.quote(env[name])}" for name in env))


def stack_options(arguments: Namespace, home: Path) -> "Options":
    """What the command line asks of the stack.

    Raises:
        SettingsError: a Celery stack without Airflow.
    """
    from recsys_tasks.devstack.folders import project_folder
    from recsys_tasks.devstack.supervisor import Options

    if arguments.executor == "celery" and arguments.no_airflow:
        raise SettingsError("--executor celery places Airflow's tasks: leave out --no-airflow")
    ports = {part: getattr(arguments, f"{part}_port") for part, _ in PORTS}
    return Options(
        home=str(home),
        dags=str((arguments.dags or project_folder() / "dags").absolute()),
        plugins=str((arguments.plugins or project_folder() / "plugins").absolute()),
        ports={part: port for part, port in ports.items() if port},
        airflow=not arguments.no_airflow,
        executor=arguments.executor,
        workers=arguments.workers,
    )


def report_part(part: "Part") -> None:
    """One line on stderr for a part that is ready."""
    print(f"  {part.name:<22} {part.address:<28} {part.seconds:5.1f} s", file=sys.stderr)


def describe(env: dict[str, str]) -> str:
    """How a person goes on from here."""
    lines = ["`recsys env` prints the connections, `recsys down` stops it."]
    if "AIRFLOW_API_URL" in env:
        login = f"user {env['AIRFLOW_USER']}, password {env['AIRFLOW_PASSWORD']}"
        only = f"user {env['AIRFLOW_VIEWER']}, password {env['AIRFLOW_VIEWER_PASSWORD']}"
        lines.insert(0, f"Airflow: {env['AIRFLOW_API_URL']}  ({login})")
        lines.insert(1, PAUSED)
        lines.insert(1, f"To look without changing anything: {only}")
    return "\n".join(lines)


def port(text: str) -> int:
    """A port that anyone may open; argparse reports the others."""
    number = int(text)
    if not 1024 <= number <= 65535:
        raise ValueError(text)
    return number


def workers(text: str) -> int:
    """How many workers; argparse reports the others."""
    number = int(text)
    if not 1 <= number <= 32:
        raise ValueError(text)
    return number
