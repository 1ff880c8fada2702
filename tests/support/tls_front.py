"""A front before a Postgres that takes encrypted connections only, as a pooler of a hosted one does.

The embedded Postgres is built without TLS. This speaks its protocol as far as the handshake, with a real
certificate; what it decrypts goes to the server as it is.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GSS_REQUEST = struct.pack("!ii", 8, 80877104)
REFUSED = b"SFATAL\0C28000\0Mno entry for host 127.0.0.1, no encryption\0\0"


@dataclass
class TlsFront:
    """Where it listens, and the connections that came through encrypted."""

    port: int
    encrypted: int = 0


@contextmanager
def tls_front(upstream: int, certificate: Path, key: Path) -> Iterator[TlsFront]:
    """Listens on loopback until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        front = TlsFront(listener.getsockname()[1])

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    work = (client, upstream, context, front)
                    threading.Thread(target=_serve_one, args=work, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield front
        listener.shutdown(socket.SHUT_RDWR)


def _serve_one(
    client: socket.socket, upstream: int, context: ssl.SSLContext, front: TlsFront
) -> None:
    with suppress(OSError), client:
        wish = client.recv(8, socket.MSG_WAITALL)
        while wish == GSS_REQUEST:
            client.sendall(b"N")
            wish = client.recv(8, socket.MSG_WAITALL)
        if wish != SSL_REQUEST:
            client.sendall(b"E" + struct.pack("!i", len(REFUSED) + 4) + REFUSED)
            return
        client.sendall(b"S")
        with (
            context.wrap_socket(client, server_side=True) as secure,
            socket.create_connection(("127.0.0.1", upstream)) as plain,
        ):
            front.encrypted += 1
            threading.Thread(target=_pump, args=(plain, secure), daemon=True).start()
            _pump(secure, plain)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
