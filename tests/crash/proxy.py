"""A TCP proxy between a worker and a broker: slow, cut, or silent in one direction or both, while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, Self

CHUNK = 16 << 10
START_SECONDS = 10.0
TO, FROM = "to", "from"
"""Directions: what the worker sends to the broker, and what the broker answers."""


class Link:
    """One way from a worker to a broker.

    Args:
        port: where it listens, on loopback.
        target: port of the broker, on loopback.

    Attributes:
        delay: seconds that each piece of up to `CHUNK` bytes waits.
        rate: bytes per second of each connection and direction; None for no bound.
    """

    def __init__(self, port: int, target: int) -> None:
        """Keep the ports; `Proxy` listens."""
        self.port, self.target = port, target
        self.delay = 0.0
        self.rate: float | None = None
        self.open = {TO: asyncio.Event(), FROM: asyncio.Event()}
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        for way in self.open.values():
            way.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either end closes it."""
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _abort(writer)
            return
        pair = {writer, back}
        self._writers |= pair
        pumps = [asyncio.ensure_future(self._pump(TO, reader, back))]
        pumps.append(asyncio.ensure_future(self._pump(FROM, there, writer)))
        self._tasks |= set(pumps)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the proxy ends; asyncio's server would log it
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._tasks -= set(pumps)
            self._writers -= pair
            for each in pair:
                each.close()

    async def _pump(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await asyncio.sleep(self.delay + (len(data) / self.rate if self.rate else 0.0))
                await self.open[way].wait()
                writer.write(data)
                await writer.drain()

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        for writer in self._writers:
            _abort(writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close a connection by a reset: what lies in its buffers is lost."""
    found = writer.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Proxy:
    """All links of one worker, served by a thread of their own.

    Args:
        ways: (port to listen on, port of the broker) of each broker.
    """

    def __init__(self, ways: list[tuple[int, int]]) -> None:
        """Keep the ports; nothing listens yet."""
        self._ways = ways
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.links: list[Link] = []

    def start(self) -> Self:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(START_SECONDS)
        return self

    async def _listen(self) -> None:
        self.links = [Link(*way) for way in self._ways]
        for link in self.links:
            await asyncio.start_server(link.accept, "127.0.0.1", link.port)

    def stop(self) -> None:
        """End the thread, and with it every connection."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(START_SECONDS)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _each(self, act: Callable[[Link], None]) -> None:
        def all_links() -> None:
            for link in self.links:
                act(link)

        self._loop.call_soon_threadsafe(all_links)

    def slow(self, delay: float, rate: float | None) -> None:
        """Let everything wait, and pass at most `rate` bytes per second; (0, None) is as fast as can be."""

        def act(link: Link) -> None:
            link.delay, link.rate = delay, rate

        self._each(act)

    def hold(self, *ways: str) -> None:
        """Let nothing more through in these directions; connections stay, and new ones are taken and hang."""

        def act(link: Link) -> None:
            for way in ways:
                link.open[way].clear()

        self._each(act)

    def heal(self) -> None:
        """Let everything through again; what was held arrives late."""

        def act(link: Link) -> None:
            for way in link.open.values():
                way.set()

        self.slow(0.0, None)
        self._each(act)

    def cut(self) -> None:
        """Reset every connection."""
        self._each(Link.cut)
