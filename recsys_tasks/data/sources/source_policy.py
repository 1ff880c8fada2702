"""Where a DAG's run may read its files from: set by who deploys, not by who triggers.

``RECSYS_SOURCE_FOLDERS`` names the folders, with ``:`` between them; by default ``/data``.
``RECSYS_SOURCE_HOSTS`` names the hosts, with ``,`` between them; by default every host with a public
address. A host that is named may have a private one; ``*`` stands for all public ones beside those
that are named. ``s3://bucket`` among them is one more bucket than the run's own.

By hand nothing is limited: who has a shell has the files.
"""

import http.client
import os
import socket
import ssl
import stat
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recsys_tasks.config.redaction import redacted
from recsys_tasks.errors import InputRejected
from recsys_tasks.printable import printable

FOLDERS, HOSTS = "RECSYS_SOURCE_FOLDERS", "RECSYS_SOURCE_HOSTS"
SPECIAL = (Path("/proc"), Path("/sys"), Path("/dev"))
"""What is below these is no data."""


@dataclass(frozen=True)
class SourcePolicy:
    """The deployer's word on sources.

    Args:
        folders: in which plain files may be read; hidden ones never.
        hosts: that may be asked; ``*``: any with public addresses.
        buckets: that may be read beside the run's own.
    """

    folders: tuple[Path, ...] = (Path("/data"),)
    hosts: frozenset[str] = frozenset({"*"})
    buckets: frozenset[str] = frozenset()

    @classmethod
    def of_deployer(cls, environ: Mapping[str, str] | None = None) -> "SourcePolicy":
        """What the environment says."""
        environ = os.environ if environ is None else environ
        folders = [Path(each) for each in environ.get(FOLDERS, "").split(os.pathsep) if each]
        named = [each.strip() for each in environ.get(HOSTS, "").split(",") if each.strip()]
        buckets = {each.removeprefix("s3://").strip("/") for each in named if "s3://" in each}
        hosts = {each.lower() for each in named if "s3://" not in each}
        return cls(
            tuple(folders) or (Path("/data"),), frozenset(hosts or {"*"}), frozenset(buckets)
        )

    def check_file(self, name: str) -> None:
        """Refuses a path outside the folders, a hidden file, and what is no regular file.

        Raises:
            InputRejected: it is one of these; the message does not say whether there is such a file.
        """
        try:
            path = Path(name).resolve()
            home = next((each for each in self._homes() if path.is_relative_to(each)), None)
        except (OSError, ValueError, RuntimeError):
            home = None
        if home is None or _is_hidden(path, home) or any(map(path.is_relative_to, SPECIAL)):
            allowed = ", ".join(map(str, self.folders))
            raise InputRejected(
                _short(name),
                "a run may not read this file",
                f"a file in {allowed}, in no hidden folder",
                f"Who deploys names folders in {FOLDERS}",
            )
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise InputRejected(_short(name), "this is no plain file", "a CSV file")

    def check_bucket(self, bucket: str, own: str, address: str) -> None:
        """Refuses a bucket that is neither the run's own nor named.

        Raises:
            InputRejected: it is another one.
        """
        if bucket not in {own, *self.buckets}:
            raise InputRejected(
                _short(address),
                "a run may not read this bucket",
                f"the bucket {own}",
                f"Who deploys names buckets in {HOSTS}, as s3://bucket",
            )

    def addresses_of(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be asked, each of them looked at.

        Raises:
            InputRejected: the host is not named, or has an address that is not public.
            OSError: its name has no address.
        """
        name = host.lower().rstrip(".")
        if name not in self.hosts and "*" not in self.hosts:
            raise _barred(host, "is none of those that a run may ask")
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
        if name not in self.hosts and not all(map(_is_public, addresses)):
            raise _barred(host, "has an address inside a private network")
        return addresses

    def opener(self) -> urllib.request.OpenerDirector:
        """Opens http:// and https:// addresses; each host, also of a redirect, is looked at first."""
        return urllib.request.build_opener(_Web(self), _TlsWeb(self), _NoOther)

    def connect(self, place: tuple[str, int], *rest: Any) -> socket.socket:
        """A socket to the very address that was looked at: a name cannot mean another one by then."""
        host, port = place
        if host in _proxies():
            return socket.create_connection(place, *rest)
        failure: OSError | None = None
        for address in self.addresses_of(host, port):
            try:
                return socket.create_connection((address, port), *rest)
            except OSError as error:
                failure = error
        raise failure or OSError(f"{host} has no address")

    def _homes(self) -> list[Path]:
        """The folders, the innermost first."""
        return sorted((each.resolve() for each in self.folders), key=lambda each: -len(each.parts))


class _Web(urllib.request.HTTPHandler):
    """HTTP to hosts that the policy allows."""

    def __init__(self, policy: SourcePolicy) -> None:
        super().__init__()
        self._policy = policy

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        _look_at(self._policy, request)
        return super().http_request(request)

    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(partial(_Connection, self._policy), request)


class _TlsWeb(urllib.request.HTTPSHandler):
    """HTTPS to hosts that the policy allows."""

    def __init__(self, policy: SourcePolicy) -> None:
        super().__init__()
        self._policy = policy

    def https_request(self, request: urllib.request.Request) -> urllib.request.Request:
        _look_at(self._policy, request)
        return super().https_request(request)

    def https_open(self, request: urllib.request.Request) -> Any:
        made = partial(_TlsConnection, self._policy)
        return self.do_open(made, request, context=ssl.create_default_context())


class _NoOther(urllib.request.FileHandler, urllib.request.FTPHandler):
    """Stands in the place of urllib's handlers of file:// and ftp://."""

    def file_open(self, request: urllib.request.Request) -> Any:
        raise _barred(request.full_url, "is no http:// or https:// address")

    def ftp_open(self, request: urllib.request.Request) -> Any:
        return self.file_open(request)


class _Connection(http.client.HTTPConnection):
    def __init__(self, policy: SourcePolicy, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._create_connection = policy.connect


class _TlsConnection(http.client.HTTPSConnection):
    def __init__(self, policy: SourcePolicy, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._create_connection = policy.connect


def _look_at(policy: SourcePolicy, request: urllib.request.Request) -> None:
    host = urlsplit(request.full_url).hostname
    if host:
        policy.addresses_of(host, 443)


def _is_public(text: str) -> bool:
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.packed[:12] == bytes.fromhex("0064ff9b") + bytes(8):
            inner = ip_address(address.packed[12:])  # type: ignore[assignment]
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return address.is_global and not address.is_multicast


def _is_hidden(path: Path, home: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(home).parts)


def _barred(host: str, why: str) -> InputRejected:
    advice = f"Who deploys names hosts in {HOSTS}"
    return InputRejected(_short(host), f"this host {why}", "a host that runs may ask", advice)


def _proxies() -> set[str]:
    found = urllib.request.getproxies()
    hosts = {urlsplit(found[kind]).hostname for kind in ("http", "https") if found.get(kind)}
    return {host for host in hosts if host}


def _short(name: str) -> str:
    shown = printable(redacted(name))
    return shown if len(shown) <= 200 else shown[:199] + "…"
