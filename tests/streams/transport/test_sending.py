"""Produce requests that partitions share: what goes together, and whose error is whose."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.transport import sending
from streams.transport.sending import UNDER_WAY, Sender


class Broker:
    """Answers requests when the test says so: offset = number of the batch it took, code by partition."""

    def __init__(self, **codes: int) -> None:
        """Know which partitions are refused: `p3=6` answers partition 3 with error code 6."""
        self.codes = codes
        self.requests: list[list[tuple[str, int, bytes]]] = []
        self.go = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self, request: Any) -> Any:
        """Take a request."""
        number = len(self.requests)
        self.requests.append([(topic, *part) for topic, parts in request._topics for part in parts])  # noqa: SLF001 - aiokafka has no getter
        await self.go.wait()
        if self.failure:
            raise self.failure
        topics = [
            (topic, [(part, self.codes.get(f"p{part}", 0), 10 * number + part, -1) for part, _ in parts])
            for topic, parts in request._topics  # noqa: SLF001 - aiokafka has no getter
        ]
        return SimpleNamespace(topics=topics)


def test_what_is_ready_at_the_same_time_goes_in_one_request() -> None:
    """Partitions that write in the same turn of the event loop share one request, each with its own answer."""

    async def run() -> None:
        broker = Broker()
        broker.go.set()
        sender = Sender(broker)
        answers = await asyncio.gather(
            *(sender.send("log", part, b"x", 1) for part in range(5)), sender.send("a", 0, b"y", 1)
        )
        assert len(broker.requests) == 1
        assert answers == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 0)]

    asyncio.run(run())


def test_what_waits_while_requests_are_under_way_goes_together() -> None:
    """No more than `UNDER_WAY` requests are out; all that comes meanwhile shares the next."""

    async def run() -> None:
        broker = Broker()
        sender = Sender(broker)
        tasks = []
        for part in range(UNDER_WAY + 4):
            tasks.append(asyncio.create_task(sender.send("log", part, b"x", 1)))
            await asyncio.sleep(0.001)
        assert [len(each) for each in broker.requests] == [1] * UNDER_WAY
        broker.go.set()
        await asyncio.gather(*tasks)
        assert [len(each) for each in broker.requests] == [1] * UNDER_WAY + [4]

    asyncio.run(run())


def test_one_partition_has_one_batch_in_a_request() -> None:
    """Two batches of one partition keep their order, in two requests."""

    async def run() -> None:
        broker = Broker()
        broker.go.set()
        sender = Sender(broker)
        await asyncio.gather(sender.send("log", 0, b"first", 1), sender.send("log", 0, b"second", 1))
        assert broker.requests == [[("log", 0, b"first")], [("log", 0, b"second")]]

    asyncio.run(run())


def test_requests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request holds at most `REQUEST_BYTES`, unless one batch alone is larger."""
    monkeypatch.setattr(sending, "REQUEST_BYTES", 10)

    async def run() -> None:
        broker = Broker()
        broker.go.set()
        sender = Sender(broker)
        sizes = (6, 6, 4, 20)
        await asyncio.gather(*(sender.send("log", part, b"x" * size, 1) for part, size in enumerate(sizes)))
        found = [[part for _, part, _ in each] for each in broker.requests]
        assert found == [[0, 2], [1], [3]]

    asyncio.run(run())


def test_a_refused_partition_does_not_touch_the_others() -> None:
    """Each batch has its own error code: a fenced partition says nothing about its neighbours."""

    async def run() -> None:
        broker = Broker(p1=90)
        broker.go.set()
        sender = Sender(broker)
        assert await asyncio.gather(*(sender.send("log", part, b"x", 1) for part in range(3))) == [
            (0, 0),
            (90, 1),
            (0, 2),
        ]

    asyncio.run(run())


def test_a_lost_connection_is_everybodys_error() -> None:
    """Where a request failed, the outcome of every batch in it is unknown; the next request is a new one."""

    async def run() -> None:
        broker = Broker()
        broker.go.set()
        broker.failure = KafkaConnectionError("gone")
        sender = Sender(broker)
        found = await asyncio.gather(*(sender.send("log", part, b"x", 1) for part in range(2)), return_exceptions=True)
        assert all(isinstance(each, KafkaConnectionError) for each in found)
        broker.failure = None
        assert await sender.send("log", 0, b"x", 1) == (0, 10)

    asyncio.run(run())


def test_one_who_is_cancelled_takes_nobody_along() -> None:
    """A partition that stops waiting neither cancels the request that it shares, nor is sent if it was not yet."""

    async def run() -> None:
        broker = Broker()
        sender = Sender(broker)
        shared = [asyncio.create_task(sender.send("log", part, b"x", 1)) for part in range(2)]
        await asyncio.sleep(0.001)
        more = [asyncio.create_task(sender.send("log", 2 + part, b"x", 1)) for part in range(UNDER_WAY)]
        await asyncio.sleep(0.001)
        late = asyncio.create_task(sender.send("log", 9, b"x", 1))
        await asyncio.sleep(0.001)
        shared[0].cancel()
        late.cancel()
        await asyncio.sleep(0)
        broker.go.set()
        assert await shared[1] == (0, 1)
        await asyncio.gather(*more)
        assert all(part != 9 for each in broker.requests for _, part, _ in each)

    asyncio.run(run())
