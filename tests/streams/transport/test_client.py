"""Connecting and disconnecting, without a broker."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from streams.transport import client as module
from streams.transport.client import Client
from streams.transport.errors import Unreachable


class Raw:
    """An aiokafka client that loses a cancellation while it closes, as the real one does."""

    def __init__(self, **settings: Any) -> None:
        """Take any settings."""
        del settings
        self.closed = False

    async def bootstrap(self) -> None:
        """Wait for a broker that never answers."""
        await asyncio.sleep(3600)

    async def close(self) -> None:
        """Wait for a task of its own."""
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)
        self.closed = True


class Answering(Raw):
    """One that finds a broker."""

    async def bootstrap(self) -> None:
        """Find it."""

    def get_random_node(self) -> int:
        """Return the broker."""
        return 1

    async def send(self, node: int, request: Any) -> None:
        """Answer nothing."""
        del node, request


class Refusing(Raw):
    """One that finds no broker."""

    async def bootstrap(self) -> None:
        """Fail."""
        raise OSError


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[Raw]:
    """Every aiokafka client that is made, of the kind that the test asks for."""
    found: list[Raw] = []

    def make(**settings: Any) -> Raw:
        found.append(request.param(**settings))
        return found[-1]

    monkeypatch.setattr(module, "AIOKafkaClient", make)
    return found


@pytest.mark.parametrize("made", [Answering], indirect=True)
def test_a_caller_cancelled_while_it_disconnects_is_cancelled(made: list[Raw]) -> None:
    """A cancellation is not lost in aiokafka, and the connections are closed all the same."""

    async def work() -> bool:
        client = await Client({"bootstrap_servers": "somewhere:1"}).start()
        task = asyncio.create_task(client.stop())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0.1)
        return task.cancelled()

    assert asyncio.run(work())
    assert [raw.closed for raw in made] == [True]


@pytest.mark.parametrize("made", [Raw], indirect=True)
def test_a_caller_cancelled_while_it_connects_leaves_nothing_open(made: list[Raw]) -> None:
    """What was opened until then is closed."""

    async def work() -> bool:
        task = asyncio.create_task(Client({"bootstrap_servers": "nowhere:1"}).start())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(work())
    assert [raw.closed for raw in made] == [True]


@pytest.mark.parametrize("made", [Refusing], indirect=True)
def test_a_broker_that_is_away_is_named(made: list[Raw]) -> None:
    """The error has the address, and nothing is connected."""
    client = Client({"bootstrap_servers": "nowhere:1"})
    with pytest.raises(Unreachable, match="nowhere:1"):
        asyncio.run(client.start())
    assert not client.connected
    assert [raw.closed for raw in made] == [True]
