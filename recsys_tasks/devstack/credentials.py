"""The embedded stack's secrets: random, made once, readable only by the account that made them."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from recsys_tasks.errors import SettingsError


def _token() -> str:
    return secrets.token_hex(20)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True, repr=False)
class Credentials:
    """Passwords and keys of every part; hexadecimal where they stand in a URL."""

    postgres: str = field(default_factory=_token)
    recsys_role: str = field(default_factory=_token)
    airflow_role: str = field(default_factory=_token)
    s3_access_key: str = field(default_factory=lambda: secrets.token_hex(10))
    s3_secret_key: str = field(default_factory=_token)
    airflow_admin: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    airflow_viewer: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    airflow_api: str = field(default_factory=lambda: secrets.token_hex(32))
    airflow_jwt: str = field(default_factory=lambda: secrets.token_hex(64))
    airflow_fernet: str = field(default_factory=_fernet_key)
    celery_role: str = field(default_factory=_token)
    redis: str = field(default_factory=_token)

    @classmethod
    def keep(cls, home: Path) -> "Credentials":
        """Those of this state folder, made on the first call.

        Raises:
            SettingsError: the file is damaged or cannot be written.
        """
        file = home / "secrets.json"
        try:
            known = json.loads(file.read_text()) if file.exists() else {}
            credentials = cls(**known)
            if asdict(credentials) != known:  # none yet, or those of an older version
                write_private(file, json.dumps(asdict(credentials)))
            return credentials
        except (OSError, ValueError, TypeError) as error:
            raise SettingsError(f"{file} is no use: {error}. `make clean` starts afresh") from None


def write_private(file: Path, text: str) -> None:
    """Replaces a file at once; only its owner may read it (mode 0600)."""
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        output.write(text)
    partial.replace(file)
