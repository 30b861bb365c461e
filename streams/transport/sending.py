"""Produce requests to one broker, shared by the partitions that it leads.

A broker answers the requests of a connection one after the other, each when all replicas have it. Partitions that each
sent a request of their own would wait for one another's; here what is ready while requests are under way goes together
in the next one. Every record batch is still appended whole, or refused, for itself: the answer has one code for each.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError
from aiokafka.protocol.produce import ProduceRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Request = Callable[[ProduceRequest], Awaitable[Any]]

UNDER_WAY = 2
"""Requests that are not answered yet: the second lies in the broker's hands when the first is answered."""
REQUEST_BYTES = 16 << 20
"""The most that one request holds, unless a batch alone is larger; brokers take 100 MiB (socket.request.max.bytes)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A record batch that waits for its answer: error code and base offset."""

    topic: str
    partition: int
    batch: bytes
    seconds: float
    answer: asyncio.Future[tuple[int, int]]


class Sender:
    """Sends record batches to one broker, acks=all.

    Args:
        request: sends a request to that broker and returns its response.
    """

    def __init__(self, request: Request) -> None:
        """Have nothing to send."""
        self._request = request
        self._waiting: list[_Waiting] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, topic: str, partition: int, batch: bytes, seconds: float) -> tuple[int, int]:
        """Send one record batch once, and return the broker's error code (0 for none) and the base offset.

        Args:
            topic: where to.
            partition: where to.
            batch: the encoded record batch.
            seconds: how long the broker may wait for its replicas.

        Raises:
            KafkaError: the connection broke or the broker did not answer: the outcome is unknown.
        """
        waiting = _Waiting(topic, partition, batch, seconds, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._begin()
        return await waiting.answer

    def _begin(self) -> None:
        """Begin a request, if one may be; it takes what waits when its task first runs."""
        if self._waiting and len(self._under_way) < UNDER_WAY:
            task = asyncio.create_task(self._run())
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._begin()

    async def _run(self) -> None:
        batches = self._next()
        if not batches:
            return
        try:
            reply = await self._request(_produce(batches))
        except (KafkaError, OSError) as error:
            _answer(batches, error)
        except BaseException:
            for each in batches.values():
                each.answer.cancel()
            raise
        else:
            _answer(batches, {(topic, part[0]): (part[1], part[2]) for topic, parts in reply.topics for part in parts})

    def _next(self) -> dict[tuple[str, int], _Waiting]:
        """Take what goes with the next request: one batch of a partition at most, in the order in which they came."""
        taken: dict[tuple[str, int], _Waiting] = {}
        left: list[_Waiting] = []
        size = 0
        for each in self._waiting:
            if each.answer.done():  # whoever waited for it was cancelled
                continue
            if (each.topic, each.partition) in taken or (taken and size + len(each.batch) > REQUEST_BYTES):
                left.append(each)
                continue
            taken[each.topic, each.partition] = each
            size += len(each.batch)
        self._waiting = left
        return taken


def _produce(batches: dict[tuple[str, int], _Waiting]) -> ProduceRequest:
    """Return the request that holds the batches."""
    topics: dict[str, list[tuple[int, bytes]]] = {}
    for (topic, partition), each in batches.items():
        topics.setdefault(topic, []).append((partition, each.batch))
    seconds = max(each.seconds for each in batches.values())
    return ProduceRequest(None, -1, int(seconds * 1000), list(topics.items()))


def _answer(
    batches: dict[tuple[str, int], _Waiting], found: dict[tuple[str, int], tuple[int, int]] | Exception
) -> None:
    """Tell those who still wait what became of their batches."""
    for place, each in batches.items():
        if each.answer.done():
            continue
        if isinstance(found, Exception):
            each.answer.set_exception(found)
        elif place in found:
            each.answer.set_result(found[place])
        else:
            each.answer.set_exception(KafkaError(f"the broker did not say what became of a batch for {place}"))
