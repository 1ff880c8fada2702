"""A Postgres connection's parts as one URL, and what is wrong with a URL."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import psycopg2
import sqlalchemy
from psycopg2.extensions import parse_dsn

from recsys_tasks.errors import SettingsError

AIRFLOWS = {"iam", "cursor", "redshift", "aws_conn_id", "azure_conn_id", "sqlalchemy_scheme"}
"""Keys of a connection's extra that Airflow's own hooks read; they are no parameters of libpq."""


def url_of(
    login: str | None,
    password: str | None,
    host: str | None,
    port: int | None,
    name: str | None,
    parameters: Mapping[str, Any],
) -> str:
    """A URL that psycopg2 and SQLAlchemy read alike; what is not given is left to libpq and its service file.

    Args:
        login: the role.
        password: its password.
        host: name or address of the server.
        port: TCP port.
        name: the database's name.
        parameters: of libpq, such as ``sslmode``, ``sslrootcert``, ``options`` or ``service``.

    Raises:
        SettingsError: libpq knows no such parameter.
    """
    secret = f":{_quoted(password)}" if password else ""
    user = f"{_quoted(login)}{secret}@" if login else ""
    place = f"{host or ''}:{port}" if port else host or ""
    given = {key: value for key, value in parameters.items() if key not in AIRFLOWS}
    query = "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in given.items())
    return checked(f"postgresql://{user}{place}/{name or ''}" + (f"?{query}" if query else ""))


def checked(url: str) -> str:
    """The URL itself.

    Raises:
        SettingsError: this is no such URL, or has a parameter that libpq does not know.
    """
    form = "the database's address is none of the form postgresql://user:password@host:port/name"
    try:
        if sqlalchemy.make_url(url).drivername != "postgresql":
            raise SettingsError(form)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise SettingsError(form) from None
    try:
        parse_dsn(url)
    except psycopg2.ProgrammingError as error:
        said = " ".join(str(error).split())
        unknown = (
            "invalid URI query parameter" in said
        )  # the rest of libpq's words may quote a password
        raise SettingsError(f"the database's address: {said}" if unknown else form) from None
    return url


def _quoted(value: Any) -> str:
    return quote(str(value), safe="")
