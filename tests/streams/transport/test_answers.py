"""What stands between aiokafka's fetcher and its client: requests are cut, answers kept, nothing else is touched."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.protocol.fetch import FetchRequest

from streams.transport import answers
from streams.transport.answers import Tap
from streams.transport.asking import KEPT_BYTES, Asking

A, B = TopicPartition("in", 0), TopicPartition("in", 1)
FAR = 1 << 40


class Client:
    """Answers each partition that is asked for with so many bytes, and keeps what it was asked."""

    name = "client"

    def __init__(self, size: int) -> None:
        """Keep the argument."""
        self.size = size
        self.asked: list[Any] = []

    async def send(self, node: int, request: Any) -> Any:
        """Answer."""
        del node
        self.asked.append(request)
        if not isinstance(request, FetchRequest):
            return "answer"
        return SimpleNamespace(
            topics=[(topic, [(part[0], 0, 9, b"x" * self.size) for part in parts]) for topic, parts in request.topics]
        )


def request(*tps: TopicPartition) -> FetchRequest:
    """Return a request for some partitions of one topic."""
    return FetchRequest(10, 1_000, 8 << 20, 0, [("in", [(tp.partition, 5, 4 << 20) for tp in tps])])


def test_what_is_no_fetch_passes() -> None:
    """Everything that a fetcher does beside fetching goes to its client as it is."""

    async def check() -> None:
        tap = Tap(Client(1), None)
        tap.ask(Asking(lambda _: FAR, 1, 500), tap.kept.keys)
        assert await tap.send(1, "list offsets") == "answer"
        assert tap.name == "client"

    asyncio.run(check())


def test_a_fetch_is_cut_and_its_answer_kept_at_the_offset_asked_for() -> None:
    """Of two partitions far behind, the first fills the room that is left; its bytes are kept for its offset."""

    async def check() -> None:
        client = Client(KEPT_BYTES - 1)
        tap = Tap(client, None)
        tap.ask(Asking(lambda _: FAR, 1, 500), tap.kept.keys)
        await tap.send(1, request(A))
        await tap.send(1, request(B, TopicPartition("in", 2)))
        assert [[part[0] for _, parts in each.topics for part in parts] for each in client.asked] == [[0], [1]]
        assert {tp: (len(answer.data), answer.offset) for tp, answer in tap.kept.items()} == {
            A: (client.size, 5),
            B: (client.size, 5),
        }

    asyncio.run(check())


def test_a_fetch_waits_for_others_to_be_read() -> None:
    """With enough unread, nothing more is asked for until an answer is let go."""

    async def check() -> None:
        client = Client(KEPT_BYTES)
        tap = Tap(client, None)
        tap.ask(Asking(lambda _: FAR, 1, 500), tap.kept.keys)
        await tap.send(1, request(A))
        later = asyncio.create_task(tap.send(1, request(B)))
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(client.asked) == 1
        tap.forget(A)
        await later
        assert list(tap.kept) == [B]

    asyncio.run(check())


@pytest.mark.parametrize("counted", [True, False])
def test_who_does_not_read_holds_up_nobody(counted: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a parameter
    """What lies here of a partition that is not worked on does not count; and a fetch waits only so long."""
    monkeypatch.setattr(answers, "READ_SECONDS", 0.05 if counted else 100.0)

    async def check() -> None:
        client = Client(KEPT_BYTES)
        tap = Tap(client, None)
        tap.ask(Asking(lambda _: FAR, 1, 500), lambda: {A} if counted else set())
        await tap.send(1, request(A))
        async with asyncio.timeout(5):
            await tap.send(1, request(B))
        assert set(tap.kept) == {A, B}

    asyncio.run(check())
