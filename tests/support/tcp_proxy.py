"""A TCP proxy to a port on loopback that can be cut: then it breaks what it carries and refuses the rest."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from recsys_tasks.devstack.ports import LOOPBACK, free_port


class TcpProxy:
    """Carries bytes unchanged between ``port`` and ``upstream``; safe to cut from any thread."""

    def __init__(self, upstream: int) -> None:
        self.upstream, self.port = upstream, free_port()
        self.sprung = threading.Event()
        """Set when the trap of ``cut_at`` has cut."""

        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._streams: set[asyncio.StreamWriter] = set()
        self._trap: tuple[bytes, float] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @contextmanager
    def running(self) -> Iterator["TcpProxy"]:
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        self._loop.call_soon_threadsafe(self._mend)
        try:
            yield self
        finally:
            self._call(self._cut)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            for task in asyncio.all_tasks(self._loop):
                self._loop.run_until_complete(task)
            self._loop.close()

    def cut_for(self, seconds: float) -> None:
        """Cuts now and returns when it carries again."""
        self._call(self._cut)
        time.sleep(seconds)
        self._call(self._mend)

    def cut_at(self, marker: bytes, seconds: float) -> None:
        """Cuts, for some seconds, when a client sends ``marker``, which does not arrive."""
        self.sprung.clear()
        self._trap = (marker, seconds)

    def _call(self, action: Callable[[], None]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (action(), done.set()))
        done.wait()

    def _mend(self) -> None:
        self._loop.create_task(self._listen())

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._carry, LOOPBACK, self.port)

    def _cut(self) -> None:
        if self._server:
            self._server.close()
        for stream in self._streams:
            stream.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(LOOPBACK, self.upstream)
        ends = {writer, there_writer}
        self._streams |= ends
        await asyncio.gather(
            self._pump(reader, there_writer, self._is_trapped),
            self._pump(there_reader, writer, lambda _: False),
            return_exceptions=True,
        )
        for end in ends:
            end.transport.abort()
        self._streams -= ends

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        is_trapped: Callable[[bytes], bool],
    ) -> None:
        while (passing := await source.read(2**16)) and not is_trapped(passing):
            target.write(passing)
            await target.drain()
        target.close()

    def _is_trapped(self, passing: bytes) -> bool:
        if self._trap is None or self._trap[0] not in passing:
            return False
        seconds, self._trap = self._trap[1], None
        self._cut()
        self._loop.call_later(seconds, self._mend)
        self.sprung.set()
        return True
