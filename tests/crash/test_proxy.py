"""The proxy of the torture run: it passes bytes on, late, or not at all, and cuts connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from streams.embedded import free_port
from tests.crash.proxy import FROM, TO, Proxy

HELLO = b"hello"


@pytest.fixture
def way() -> Iterator[tuple[Proxy, socket.socket]]:
    """Return a proxy before a server that echoes, and a connection through it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        proxy = Proxy([(free_port(), server.getsockname()[1])]).start()
        with socket.create_connection(("127.0.0.1", proxy.links[0].port), timeout=5) as connection:
            yield proxy, connection
        proxy.stop()


def _echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        try:
            while data := connection.recv(1024):
                connection.sendall(data)
        except OSError:
            return


def test_bytes_pass(way: tuple[Proxy, socket.socket]) -> None:
    """What is sent comes back."""
    _, connection = way
    connection.sendall(HELLO)
    assert connection.recv(10) == HELLO


def test_a_delay_holds_them_up(way: tuple[Proxy, socket.socket]) -> None:
    """Each direction waits for the delay."""
    proxy, connection = way
    proxy.slow(0.15, None)
    began = time.monotonic()
    connection.sendall(HELLO)
    assert connection.recv(10) == HELLO
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("direction", [TO, FROM])
def test_what_is_held_arrives_late(way: tuple[Proxy, socket.socket], direction: str) -> None:
    """A silent link keeps its connection and what was sent; healed, it lets all of it through."""
    proxy, connection = way
    connection.sendall(b"a")
    assert connection.recv(1) == b"a"
    proxy.hold(direction)
    connection.sendall(HELLO)
    connection.settimeout(0.3)
    with pytest.raises(TimeoutError):
        connection.recv(10)
    proxy.heal()
    connection.settimeout(5)
    assert connection.recv(10) == HELLO


def test_a_cut_resets_the_connection(way: tuple[Proxy, socket.socket]) -> None:
    """The client sees a reset, not an orderly end."""
    proxy, connection = way
    connection.sendall(HELLO)
    assert connection.recv(10) == HELLO
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        connection.recv(10)
