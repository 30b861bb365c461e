"""The independent client leaves nothing behind that a later test would be blamed for."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError
from kafka.net.inet import KafkaNetSocket, create_connection
from kafka.net.transport import KafkaTCPTransport

from streams.embedded import free_port
from tests import outside  # noqa: F401 - its import mends the client


@pytest.fixture(autouse=True)
def nothing_said() -> Iterator[None]:
    """Fail where a socket that was left is complained about as it is collected."""
    gc.collect()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(warning.message) for warning in said] == []


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Listen, and see at the end that the one connection was closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        yield server
        gc.collect()
        with server.accept()[0] as peer:
            peer.settimeout(5)
            assert peer.recv(1) == b""


async def wait_write(sock: socket.socket, **_: Any) -> None:
    """Be the wait of the client's loop."""
    assert sock.fileno() >= 0
    await asyncio.sleep(0.01)


def test_a_refused_connection_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: the attempt fails, and its socket is closed."""
    made: list[int] = []
    closed: list[int] = []
    make, close = KafkaNetSocket.socket, socket.socket.close

    def noted(self: KafkaNetSocket, *args: Any) -> socket.socket:
        found = make(self, *args)
        made.append(found.fileno())
        return found

    def closing(self: socket.socket) -> None:
        closed.append(self.fileno())
        close(self)

    monkeypatch.setattr(KafkaNetSocket, "socket", noted)
    monkeypatch.setattr(socket.socket, "close", closing)
    with pytest.raises(KafkaConnectionError, match="ECONNREFUSED"):
        asyncio.run(create_connection(SimpleNamespace(wait_write=wait_write), "127.0.0.1", free_port()))
    gc.collect()
    assert made
    assert set(made) <= set(closed)


def test_a_connection_that_is_given_up_leaves_nothing(listening: socket.socket) -> None:
    """Its client was closed while it was under way: the one that waits for it is dropped."""

    async def give_up() -> None:
        attempt = create_connection(SimpleNamespace(wait_write=wait_write), *listening.getsockname())
        attempt.send(None)
        attempt.close()

    asyncio.run(give_up())


def test_a_connection_with_bytes_to_send_leaves_nothing(listening: socket.socket) -> None:
    """Its client was closed, and its loop sends no more."""
    net = SimpleNamespace(wait_write=wait_write, call_soon=lambda _: None)
    transport = KafkaTCPTransport(net, asyncio.run(create_connection(net, *listening.getsockname())))
    transport.write(b"x")
    transport.close()
