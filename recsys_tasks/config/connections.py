"""Where the services are: from the environment, or from the embedded stack when it runs."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recsys_tasks.errors import ServicesUnknown, SettingsError

VARIABLES = {
    "endpoint": "RECSYS_S3_ENDPOINT",
    "bucket": "RECSYS_S3_BUCKET",
    "access_key": "AWS_ACCESS_KEY_ID",
    "secret_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
    "region": "AWS_REGION",
    "role_arn": "RECSYS_S3_ROLE_ARN",
    "external_id": "RECSYS_S3_EXTERNAL_ID",
    "profile": "AWS_PROFILE",
}
"""The variable of each field of ``StoreAccess``."""

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""Where boto's users name an endpoint; ours wins."""

STORE_NAMES = (VARIABLES["endpoint"], VARIABLES["bucket"], *ENDPOINTS)
"""One of these names a store; then nothing of the embedded stack's store is used."""

CREDENTIALS = ("access_key", "secret_key", "session_token", "profile")
"""Fields that stay empty where boto's own chain finds the credentials."""


@dataclass(frozen=True)
class StoreAccess:
    """How to reach a bucket. ``repr`` keeps the secrets out of logs.

    Args:
        endpoint: address of a store of one's own; empty: AWS.
        bucket: the bucket's name.
        access_key: with ``secret_key``, static credentials; empty: boto's default chain.
        session_token: of temporary static credentials.
        region: empty: what boto's configuration says, or us-east-1.
        role_arn: a role to assume with these credentials; they are renewed before they expire.
        external_id: what the role's owner asks for.
        profile: of the AWS configuration files.
    """

    endpoint: str
    bucket: str
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    region: str = ""
    role_arn: str = ""
    external_id: str = ""
    profile: str = ""

    def __repr__(self) -> str:
        return f"StoreAccess({self.place}, bucket {self.bucket})"

    @property
    def place(self) -> str:
        """The endpoint, or AWS, for a sentence."""
        return self.endpoint or "AWS"

    @classmethod
    def of_connection(
        cls, login: str | None, password: str | None, extra: Mapping[str, Any]
    ) -> "StoreAccess":
        """What an Airflow connection of the type ``aws`` says, by the names of Amazon's provider.

        Raises:
            SettingsError: a key without its secret, or no bucket's name for AWS.
        """
        assumed = extra.get("assume_role_kwargs") or {}
        endpoint = _text(extra, "endpoint_url") or _first(os.environ, *ENDPOINTS)
        found = cls(
            endpoint=endpoint,
            bucket=_text(extra, "bucket") or ("recsys" if endpoint else ""),
            access_key=login or _text(extra, "aws_access_key_id"),
            secret_key=password or _text(extra, "aws_secret_access_key"),
            session_token=_text(extra, "aws_session_token"),
            region=_text(extra, "region_name"),
            role_arn=_text(extra, "role_arn"),
            external_id=_text(assumed, "ExternalId") or _text(extra, "external_id"),
            profile=_text(extra, "profile") or _text(extra, "profile_name"),
        )
        if bool(found.access_key) != bool(found.secret_key):
            raise SettingsError(
                "the connection recsys_s3 has a login without a password, or a password without a "
                "login: give both, or neither to use the machine's own role"
            )
        if not found.bucket:
            raise SettingsError('the connection recsys_s3 names no bucket: add {"bucket": "…"}')
        return found

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """An environment in which another process finds this very access; no argument shows a secret."""
        left_to_boto = () if self.access_key or self.profile else CREDENTIALS
        replaced = {name for field, name in VARIABLES.items() if field not in left_to_boto}
        if not self.region:
            replaced.remove(VARIABLES["region"])
        if not environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
            replaced.add("AWS_ROLE_ARN")
        kept = {name: text for name, text in environ.items() if name not in replaced}
        return kept | self.variables()

    def variables(self) -> dict[str, str]:
        """What is given, as environment variables."""
        return {VARIABLES[field]: value for field, value in asdict(self).items() if value}


@dataclass(frozen=True)
class Connections:
    """The database's URL and the bucket's access, each possibly absent until it is asked for."""

    values: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Connections({', '.join(sorted(self.values))})"

    @classmethod
    def find(cls, environ: Mapping[str, str] | None = None) -> "Connections":
        """Environment variables first, what the running embedded stack wrote down second.

        The store is taken whole from one of the two: keys of one are of no use at the other.
        """
        environ = os.environ if environ is None else environ
        written = written_by_stack(environ)
        store = dict(environ) if any(environ.get(name) for name in STORE_NAMES) else written
        values = {name: store[name] for name in VARIABLES.values() if store.get(name)}
        if store is not written:
            values |= _standard(environ)
        url = environ.get("RECSYS_DB_URL") or written.get("RECSYS_DB_URL")
        return cls({**values, "RECSYS_DB_URL": url} if url else values)

    def database_url(self) -> str:
        """The Postgres URL.

        Raises:
            ServicesUnknown: neither the environment nor an embedded stack gives one.
        """
        return self._get("RECSYS_DB_URL")

    def store(self) -> StoreAccess:
        """The bucket's access.

        Raises:
            ServicesUnknown: neither a bucket nor an endpoint is named, and no embedded stack runs.
        """
        given = {field: self.values.get(name, "") for field, name in VARIABLES.items()}
        given["bucket"] = given["bucket"] or (
            "recsys" if given["endpoint"] else self._get("RECSYS_S3_BUCKET")
        )
        return StoreAccess(**given)

    def _get(self, name: str) -> str:
        if name in self.values:
            return self.values[name]
        raise ServicesUnknown(f"{name} is not set and {no_stack()}, or set the variable")


def no_stack(environ: Mapping[str, str] | None = None) -> str:
    """In words: no embedded stack runs, where it was looked for, and what to do."""
    environ = os.environ if environ is None else environ
    home = stack_home(environ)
    place = f"in {home}" if home.is_dir() else f"in {home} (no such folder)"
    if not environ.get("RECSYS_HOME") and not home.is_dir():
        place = f"in {Path.cwd()} or a folder above it; RECSYS_HOME names one elsewhere"
    return f"no embedded stack runs {place}: start one with `recsys up`"


def stack_home(environ: Mapping[str, str] | None = None) -> Path:
    """Folder of the embedded stack's state: ``RECSYS_HOME``, or ``.recsys`` here or in a parent folder."""
    environ = os.environ if environ is None else environ
    if environ.get("RECSYS_HOME"):
        return Path(environ["RECSYS_HOME"])
    here = Path.cwd()
    found = [
        folder / ".recsys" for folder in (here, *here.parents) if (folder / ".recsys").is_dir()
    ]
    return found[0] if found else here / ".recsys"


def written_by_stack(environ: Mapping[str, str]) -> dict[str, str]:
    """What ``recsys up`` wrote to ``env.json``; it removes the file when it stops."""
    try:
        written = json.loads((stack_home(environ) / "env.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {name: str(text) for name, text in written.items()}


def _standard(environ: Mapping[str, str]) -> dict[str, str]:
    """What AWS's own variables say, under our names.

    ``AWS_ROLE_ARN`` beside a token's file is boto's to use: the two are how a pod gets its role.
    """
    found = {VARIABLES["endpoint"]: _first(environ, VARIABLES["endpoint"], *ENDPOINTS)}
    if not environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        found[VARIABLES["role_arn"]] = _first(environ, VARIABLES["role_arn"], "AWS_ROLE_ARN")
    return {name: text for name, text in found.items() if text}


def _first(environ: Mapping[str, str], *names: str) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")


def _text(extra: Mapping[str, Any], name: str) -> str:
    return str(extra.get(name) or "")
