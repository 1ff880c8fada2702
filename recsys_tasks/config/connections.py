"""Where the services are: from the environment, or from the embedded stack when it runs."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recsys_tasks.errors import ServicesUnknown

NAMES = (
    "RECSYS_DB_URL",
    "RECSYS_S3_ENDPOINT",
    "RECSYS_S3_BUCKET",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
)


@dataclass(frozen=True)
class StoreAccess:
    """How to reach a bucket. ``repr`` keeps the secret out of logs."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"StoreAccess({self.endpoint}, bucket {self.bucket})"


@dataclass(frozen=True)
class Connections:
    """The database's URL and the bucket's access, each possibly absent until it is asked for."""

    values: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Connections({', '.join(sorted(self.values))})"

    @classmethod
    def find(cls, environ: Mapping[str, str] | None = None) -> "Connections":
        """Environment variables first, what the running embedded stack wrote down second."""
        environ = os.environ if environ is None else environ
        written = _embedded(environ)
        given = {name: environ[name] for name in NAMES if environ.get(name)}
        return cls({**written, **given})

    def database_url(self) -> str:
        """The Postgres URL.

        Raises:
            ServicesUnknown: neither the environment nor an embedded stack gives one.
        """
        return self._get("RECSYS_DB_URL")

    def store(self) -> StoreAccess:
        """The bucket's access.

        Raises:
            ServicesUnknown: a part of it is missing; the message names the variable.
        """
        return StoreAccess(
            endpoint=self._get("RECSYS_S3_ENDPOINT"),
            bucket=self.values.get("RECSYS_S3_BUCKET", "recsys"),
            access_key=self._get("AWS_ACCESS_KEY_ID"),
            secret_key=self._get("AWS_SECRET_ACCESS_KEY"),
        )

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


def _embedded(environ: Mapping[str, str]) -> dict[str, str]:
    """What ``recsys up`` wrote to ``env.json``; it removes the file when it stops."""
    try:
        written = json.loads((stack_home(environ) / "env.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {name: written[name] for name in NAMES if name in written}
