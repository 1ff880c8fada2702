"""Ports on the loopback interface."""

import socket
from collections.abc import Callable, Iterator
from typing import TypeVar

import psutil

from recsys_tasks.devstack.process import Child

LOOPBACK = "127.0.0.1"
FREE_TRIES = 3
"""Free ports to try before a start is given up: another program may take one before the server does."""

Server = TypeVar("Server")


class PortTaken(Exception):
    """Another program listens on the port."""


def on_a_port(
    name: str, start: Callable[[int], Server], port: int | None, usual: int | None = None
) -> Server:
    """The server, started on the first port that no other program takes before it.

    Args:
        name: the server's, for the message.
        start: starts it on a port; raises ``PortTaken`` when another program came first.
        port: the only one to try; None: the usual one, then free ones.
        usual: None: free ones only.

    Raises:
        PortTaken: of every port tried.
    """
    for tried in [port] if port is not None else _usual_and_free(usual):
        try:
            if is_free(tried):
                return start(tried)
        except PortTaken:
            continue
    raise PortTaken(f"{name} cannot start: port {tried} is taken")


def _usual_and_free(usual: int | None) -> Iterator[int]:
    if usual is not None:
        yield usual
    for _ in range(FREE_TRIES):
        yield free_port()


def check_lost(child: Child, port: int) -> None:
    """Tells why a server that did not start did not: nothing, unless its port is another program's.

    Raises:
        PortTaken: it ended, and another program listens there.
    """
    if not child.is_alive() and not is_free(port):
        raise PortTaken(f"{child.name} cannot start: port {port} is taken")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A loopback port that nobody uses at this moment; another program may still take it first."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def answers(child: Child, port: int) -> bool:
    """Whether this server accepts connections on this loopback port, and not another program."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return listens(child, port)
    except OSError:
        return False


def listens(child: Child, port: int) -> bool:
    """Whether the server or a process below it listens on the port.

    Where the system hides another account's processes, a server that runs is taken at its word.
    """
    try:
        leader = psutil.Process(child.process.pid)
        group = [leader, *leader.children(recursive=True)]
        return any(_has_listener(process, port) for process in group)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return child.is_alive()


def _has_listener(process: psutil.Process, port: int) -> bool:
    return any(
        found.status == psutil.CONN_LISTEN and found.laddr.port == port
        for found in process.net_connections("tcp")
    )
