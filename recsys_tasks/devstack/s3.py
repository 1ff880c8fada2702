"""The embedded object store: ``nanio``, an S3 server that keeps objects as files in a folder."""

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.config.s3_client import s3_client
from recsys_tasks.devstack.ports import LOOPBACK, PortTaken, answers, check_lost, on_a_port
from recsys_tasks.devstack.process import Child, start_child, wait_until
from recsys_tasks.errors import SettingsError, StoreUnavailable

START_SECONDS = 30.0


@dataclass(frozen=True)
class S3Server:
    """A running server and the keys to one bucket on it."""

    child: Child
    access: StoreAccess
    port: int

    def stop(self) -> None:
        """Ends the server; what was stored stays."""
        self.child.stop()


def start_s3(
    home: Path,
    access_key: str,
    secret_key: str,
    bucket: str,
    port: int | None = None,
    usual: int | None = None,
) -> S3Server:
    """Starts the server over ``home/objects`` and returns when it answers and has the bucket.

    Args:
        home: the stack's state folder.
        bucket: made if it is not there.
        port: loopback port; None: ``usual``, or a free one when another program has that.
        usual: the port to try first; None: free ones only.

    Raises:
        SettingsError: the package is not installed.
        StoreUnavailable: the port is taken, the disk is full or the server did not come up.
    """
    if find_spec("nanio") is None:
        raise SettingsError("the embedded S3 server is not installed: install recsys-tasks[local]")

    def start(chosen: int) -> S3Server:
        access = StoreAccess(f"http://{LOOPBACK}:{chosen}", bucket, access_key, secret_key)
        child = _launch(home, access, chosen)
        if not wait_until(lambda: answers(child, chosen), child, START_SECONDS):
            child.stop()
            check_lost(child, chosen)
            raise StoreUnavailable(
                f"the S3 server did not start; its log {child.log} ends:\n{child.last_words()}"
            )
        make_bucket(access)
        return S3Server(child, access, chosen)

    try:
        return on_a_port("the S3 server", start, port, usual)
    except PortTaken as error:
        raise StoreUnavailable(str(error)) from None


def make_bucket(access: StoreAccess) -> None:
    """Makes the bucket; one that is there already stays as it is."""
    client = s3_client(access, connect_timeout=5, read_timeout=30, tries=3)
    names = {bucket.get("Name") for bucket in client.list_buckets()["Buckets"]}
    if access.bucket not in names:
        client.create_bucket(Bucket=access.bucket)
    client.close()


def _launch(home: Path, access: StoreAccess, port: int) -> Child:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("NANIO_")},
        "NANIO_ACCESS_KEY": access.access_key,
        "NANIO_SECRET_KEY": access.secret_key,
    }
    command = [
        *(sys.executable, "-P", "-m", "nanio", "serve", "--data-dir", str(home / "objects")),
        *("--host", LOOPBACK, "--port", str(port), "--no-access-log", "--log-level", "warning"),
    ]
    try:
        _make_private(home / "objects")
        return start_child("the S3 server", command, home / "s3.log", environ)
    except OSError as error:
        raise StoreUnavailable(f"{home} cannot be written: {error}") from None


def _make_private(folder: Path) -> None:
    """A folder that only its owner may enter, whoever else may enter the one around it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)  # one that was made before, or under another umask
