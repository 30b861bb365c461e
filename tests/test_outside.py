"""The independent client leaves nothing behind that a later test would be blamed for."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError
from kafka.net.inet import KafkaNetSocket, create_connection

from streams.embedded import free_port
from tests import outside  # noqa: F401 - its import mends the client


def test_a_refused_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: the attempt fails, and none of its sockets waits for the collector."""
    made: list[socket.socket] = []
    make = KafkaNetSocket.socket

    def noted(self: KafkaNetSocket, *args: Any) -> socket.socket:
        made.append(make(self, *args))
        return made[-1]

    async def wait_write(sock: socket.socket, **_: Any) -> None:
        assert sock.fileno() >= 0
        await asyncio.sleep(0.01)

    monkeypatch.setattr(KafkaNetSocket, "socket", noted)
    with pytest.raises(KafkaConnectionError, match="ECONNREFUSED"):
        asyncio.run(create_connection(SimpleNamespace(wait_write=wait_write), "127.0.0.1", free_port()))
    assert made
    assert [sock.fileno() for sock in made] == [-1] * len(made)


def test_a_connection_that_is_given_up_is_closed() -> None:
    """Its client was closed while it was under way: the one that waits for it is dropped, and closes the socket."""
    waits: list[socket.socket] = []

    async def wait_write(sock: socket.socket, **_: Any) -> None:
        waits.append(sock)
        await asyncio.sleep(60)

    async def give_up() -> None:
        net = SimpleNamespace(wait_write=wait_write)
        attempt = create_connection(net, *listening.getsockname())
        attempt.send(None)
        assert waits[0].fileno() >= 0
        attempt.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        asyncio.run(give_up())
    assert [sock.fileno() for sock in waits] == [-1]
