"""Writes .env from .env.example, with a fresh secret for every value that the example leaves empty.

    python3 docker/make_env.py [FILE]    FILE is .env beside docker-compose.yaml, unless given

Needs nothing but Python. An existing file is left alone: the volumes know its passwords.
"""

import base64
import os
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def fill(example: str) -> str:
    """The example's text, with a secret after each ``NAME=`` that ends its line there."""
    return re.sub(r"^(\w+)=$", lambda empty: f"{empty[1]}={_secret(empty[1])}", example, flags=re.M)


def _secret(name: str) -> str:
    """32 random bytes: base64 for the Fernet key, which must be, and hexadecimal for the rest."""
    if name == "AIRFLOW_FERNET_KEY":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(32)


def main(target: Path) -> int:
    """Creates the file, readable by its owner only."""
    text = fill((ROOT / ".env.example").read_text(encoding="utf-8"))
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"{target} exists and stays as it is", file=sys.stderr)
        return 1
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"{target} written: AIRFLOW_ADMIN_USER and AIRFLOW_ADMIN_PASSWORD in it are your login")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".env"))
