"""The socket of the views."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientSession

from streams.views import ListenError, Server, application
from tests.streams.views.workers import FakeWorker


def test_it_serves_until_it_is_stopped() -> None:
    """Between start and stop the views answer; afterwards the port is free again."""

    async def test() -> None:
        server = Server(application(FakeWorker({})), "127.0.0.1", 0)
        await server.start()
        port = server.port
        async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/-/healthy") as response:
            assert response.status == 200
        await server.stop()
        again = Server(application(FakeWorker({})), "127.0.0.1", port)
        await again.start()
        await again.stop()

    asyncio.run(test())


def test_a_port_in_use_is_a_clear_error() -> None:
    """The message names address, port, cause and what to set."""

    async def test() -> None:
        first = Server(application(FakeWorker({})), "127.0.0.1", 0)
        await first.start()
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{first.port} is in use.*STREAMS_WEB_PORT"):
            await Server(application(FakeWorker({})), "127.0.0.1", first.port).start()
        await first.stop()
        with pytest.raises(ListenError, match="STREAMS_WEB_BIND"):
            await Server(application(FakeWorker({})), "192.0.2.1", 0).start()

    asyncio.run(test())
