"""A proxy between a client and an S3 server that misbehaves at one chosen request.

It passes bytes on unchanged (signatures cover the Host header, which stays as the client sent it)
and counts requests. A fault strikes at the request with its number, once or from there on.
"""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from recsys_tasks.config.connections import StoreAccess

BUSY = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>later</Message></Error>'
EMPTY_LISTING = b"<?xml version='1.0'?><ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"

KINDS = (
    "503",
    "503 after the work is done",
    "connection reset",
    "reset after the work is done",
    "slow",
    "request cut short",
    "answer cut short",
    "byte flipped on the way up",
    "byte flipped on the way down",
    "stale listing",
)


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and when.

    Args:
        kind: one of ``KINDS``.
        at: number of the request that it strikes, from 0.
        lasting: it strikes every request after that one, too.
        each_once: it strikes every request when it is first made, and lets its repetition through.
    """

    kind: str
    at: int
    lasting: bool = False
    each_once: bool = False

    def strikes(self, line: str, before: list[str]) -> bool:
        number = len(before)
        if self.each_once:
            return number >= self.at and line not in before
        return number == self.at or (self.lasting and number >= self.at)


@dataclass
class FaultProxy:
    """The requests so far, and the fault or the action that waits for one of them."""

    upstream: StoreAccess
    stall: float = 1.0
    fault: Fault | None = None
    before: Callable[[int], None] | None = None
    """Called with the number of each request before it is passed on."""

    after: Callable[[int], None] | None = None
    """Called with the number of each request when the server has answered."""

    seen: list[str] = field(default_factory=list)
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def access(self) -> StoreAccess:
        return replace(self.upstream, endpoint=f"http://127.0.0.1:{self.port}")

    def arm(self, fault: Fault | None) -> None:
        """Counts anew, with this fault."""
        with self._lock:
            self.seen.clear()
            self.fault = fault

    def count(self, line: str) -> tuple[int, str | None]:
        with self._lock:
            number = len(self.seen)
            struck = self.fault is not None and self.fault.strikes(line, self.seen)
            kind = self.fault.kind if self.fault and struck else None
            self.seen.append(line)
        return number, kind

    @contextmanager
    def running(self) -> Iterator["FaultProxy"]:
        proxy = self

        class Handler(_Handler):
            owner = proxy

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: FaultProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (TimeoutError, ConnectionError):
            self.close_connection = True

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        number, kind = self.owner.count(f"{self.command} {self.path}")
        if self.owner.before:
            self.owner.before(number)
        if kind == "503":
            return self._answer(503, {"content-type": "application/xml"}, BUSY)
        if kind == "connection reset":
            return self._reset()
        if kind == "slow":
            threading.Event().wait(self.owner.stall)
        if kind == "byte flipped on the way up":
            body = _flipped(body)
        if kind == "request cut short" and body:
            self._forward_part(body)
            return self._reset()
        status, headers, answer = self._forward(body)
        if self.owner.after:
            self.owner.after(number)
        if kind == "503 after the work is done":
            return self._answer(503, {"content-type": "application/xml"}, BUSY)
        if kind == "reset after the work is done":
            return self._reset()
        if kind == "byte flipped on the way down":
            answer = _flipped(answer)
        if kind == "stale listing" and "list-type=2" in self.path:
            answer = EMPTY_LISTING
            headers = {**headers, "content-length": str(len(answer))}
        if kind == "answer cut short" and self.command != "HEAD":
            self._answer(status, headers, answer, len(answer) // 2)
            return self._reset()
        return self._answer(status, headers, answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 - http.server's names

    def _upstream(self) -> http.client.HTTPConnection:
        address = urlsplit(self.owner.upstream.endpoint)
        return http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)

    def _start(self, connection: http.client.HTTPConnection) -> None:
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                connection.putheader(name, value)
        connection.endheaders()

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = self._upstream()
        self._start(connection)
        if body:
            connection.send(body)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        dropped = ("transfer-encoding", "connection", "date", "server")
        headers = {n.lower(): v for n, v in response.getheaders() if n.lower() not in dropped}
        return response.status, headers, answer

    def _forward_part(self, body: bytes) -> None:
        connection = self._upstream()
        self._start(connection)
        connection.send(body[: len(body) // 2])
        connection.close()

    def _answer(
        self, status: int, headers: dict[str, str], answer: bytes, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer[:length])

    def _reset(self) -> None:
        """Closes so that the other side sees a reset instead of an end."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def _flipped(body: bytes) -> bytes:
    if not body:
        return body
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 0x04]) + body[middle + 1 :]
