"""The producer of Faust's own messages waits for a broker that is away."""

from __future__ import annotations

import asyncio
import logging

import aiokafka
import pytest
from aiokafka.errors import KafkaConnectionError

from streams.transport import producer
from streams.transport.consumer import BatchTransport
from streams.transport.producer import WaitingClient


async def _start(attempts: list[Exception | None], monkeypatch: pytest.MonkeyPatch, *, stop: bool = False) -> None:
    """Start one whose attempts to connect end so, one after the other."""
    client = WaitingClient(bootstrap_servers="127.0.0.1:1")

    async def bootstrap() -> None:
        outcome = attempts.pop(0)
        if stop:
            await client.stop()
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(producer, "RETRY", 0.001)
    monkeypatch.setattr(client.client, "bootstrap", bootstrap)
    monkeypatch.setattr(client._sender, "start", lambda: asyncio.sleep(0))  # noqa: SLF001 - without a broker
    try:
        await client.start()
    finally:
        await client.stop()


def test_a_broker_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again until somebody is there, and said once."""
    attempts: list[Exception | None] = [KafkaConnectionError("Unable to bootstrap"), KafkaConnectionError(), None]
    with caplog.at_level(logging.WARNING):
        asyncio.run(_start(attempts, monkeypatch))
    assert attempts == []
    assert len([each for each in caplog.records if "tried again" in each.message]) == 1


def test_one_that_is_stopped_tries_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is told to stop while the broker is away ends."""
    attempts: list[Exception | None] = [KafkaConnectionError(), None]
    asyncio.run(_start(attempts, monkeypatch, stop=True))
    assert attempts == [None]


def test_other_errors_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waiting does not mend ends the worker, with its reason."""
    with pytest.raises(ValueError, match="bad settings"):
        asyncio.run(_start([ValueError("bad settings")], monkeypatch))


def test_faust_makes_this_one() -> None:
    """The worker's transport makes producers that wait."""
    assert issubclass(BatchTransport.Producer._producer_type, aiokafka.AIOKafkaProducer)  # noqa: SLF001 - Faust's hook
    assert BatchTransport.Producer._producer_type is WaitingClient  # noqa: SLF001 - Faust's hook
