"""The bytes of fetch answers as the broker sent them: aiokafka hides them in its compiled reader.

Only with them can checksums be computed by the processor's own instruction, records be read without an object each, and
batches be unpacked within bounds. The client of one fetcher *instance* is wrapped; nothing of aiokafka is patched.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.protocol.fetch import FetchRequest

from streams.transport.asking import KEPT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from streams.transport.asking import Asking

READ_SECONDS = 1.0
"""How long a fetch waits at most for others to be read: who does not read must not stop the others for good."""


@dataclass(slots=True)
class Answer:
    """What one fetch brought of one partition.

    Args:
        data: record batches, the last one perhaps cut off.
        offset: the next offset that is to be read of it.
        at: where in `data` the batch begins that is read next.
    """

    data: bytes
    offset: int
    at: int = 0


class Tap:
    """Stands in for the client of a fetcher, and keeps the answers of some topics until they are read.

    Args:
        client: of the fetcher.
        topics: whose answers are kept; None keeps all.
    """

    def __init__(self, client: Any, topics: Collection[str] | None) -> None:
        """Keep nothing yet."""
        self._client = client
        self.topics = topics
        self.kept: dict[TopicPartition, Answer] = {}
        self.asking: Asking | None = None
        self.counted: Callable[[], Collection[TopicPartition]] = self.kept.keys
        self._read = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        """Be the client in everything else."""
        return getattr(self._client, name)

    @property
    def size(self) -> int:
        """The bytes that are not read yet of the partitions that count."""
        counted = self.counted()
        return sum(len(answer.data) - answer.at for tp, answer in self.kept.items() if tp in counted)

    async def send(self, node_id: Any, request: Any, **options: Any) -> Any:
        """Send a request as the client does; cut a fetch, and keep its answer."""
        if not isinstance(request, FetchRequest):
            return await self._client.send(node_id, request, **options)
        if self.asking is not None:
            await self._room()
            self.asking.cut(node_id, request, self.size)
        response = await self._client.send(node_id, request, **options)
        self._keep(request, response)
        if self.asking is not None:
            self.asking.answered(node_id, sum(len(part[-1] or b"") for _, parts in response.topics for part in parts))
        return response

    async def _room(self) -> None:
        """Wait while more than enough is not read yet."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                while self.size >= KEPT_BYTES:
                    self._read.clear()
                    await self._read.wait()

    def ask(self, asking: Asking, counted: Callable[[], Collection[TopicPartition]]) -> None:
        """Cut requests from now on.

        Args:
            asking: what cuts them.
            counted: returns partitions whose answers are read, sooner or later: what lies here of others holds up none.
        """
        self.asking, self.counted = asking, counted

    def forget(self, tp: TopicPartition) -> None:
        """Let the answer of a partition go."""
        if self.kept.pop(tp, None) is not None:
            self._read.set()

    def _keep(self, request: Any, response: Any) -> None:
        asked = {(topic, part[0]): part[1] for topic, parts in request.topics for part in parts}
        for topic, parts in response.topics:
            if self.topics is not None and topic not in self.topics:
                continue
            for partition, error, _, *rest in parts:
                if not error and rest[-1]:
                    self.kept[TopicPartition(topic, partition)] = Answer(rest[-1], asked[topic, partition])


def keep(fetcher: Any, topics: Collection[str] | None = None) -> None:
    """Keep from now on what is fetched of some topics; calling it again only changes which.

    Args:
        fetcher: of a started consumer.
        topics: names; None keeps all. What is kept of them must be read by `streams.transport.fetch`.
    """
    if isinstance(fetcher._client, Tap):
        fetcher._client.topics = topics
    else:
        fetcher._client = Tap(fetcher._client, topics)


def of(fetcher: Any, tp: TopicPartition, position: int) -> Answer | None:
    """Return the answer that goes on at a position, None if it was not kept.

    One that was asked for at the same offset holds the same records, whichever of two answers it was.
    """
    client = getattr(fetcher, "_client", None)
    answer = client.kept.get(tp) if isinstance(client, Tap) else None
    return answer if answer is not None and answer.offset == position else None


def forget(fetcher: Any, tp: TopicPartition) -> None:
    """Let an answer go that was read, or is not wanted."""
    client = getattr(fetcher, "_client", None)
    if isinstance(client, Tap):
        client.forget(tp)
