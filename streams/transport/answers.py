"""The bytes of fetch answers as the broker sent them: aiokafka hides them in its compiled reader.

Only with them can checksums be computed by the processor's own instruction, records be read without an object each, and
batches be unpacked within bounds. The client of one fetcher *instance* is wrapped; nothing of aiokafka is patched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.protocol.fetch import FetchRequest

if TYPE_CHECKING:
    from collections.abc import Collection


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

    def __getattr__(self, name: str) -> Any:
        """Be the client in everything else."""
        return getattr(self._client, name)

    async def send(self, node_id: Any, request: Any, **options: Any) -> Any:
        """Send a request as the client does; of a fetch, keep the answer."""
        response = await self._client.send(node_id, request, **options)
        if isinstance(request, FetchRequest):
            self._keep(request, response)
        return response

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
        client.kept.pop(tp, None)
