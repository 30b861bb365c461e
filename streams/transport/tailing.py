"""The ends of many partitions, read over connections of their own: one question for all that a broker leads."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.fetch import FetchRequest

from streams.transport.client import Client
from streams.transport.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

Part = tuple[str, int]
"""Topic and partition."""
ANSWER_BYTES = 8 << 20
"""The most that one answer brings of all partitions, but for a single batch that is larger."""
PART_BYTES = 1 << 20
"""The most that it brings of one of them."""
WAIT_MS = 500
"""How long a broker waits for something new before it answers that there is nothing."""
_UNCOMMITTED = 0
_FOLLOWER = -1


@dataclass(frozen=True, slots=True)
class Answer:
    """What a broker says of one partition.

    Args:
        data: record batches from the position on, the last one cut off; empty where nothing is new.
        end: the offset after the last record that can be read (the high watermark).
        error: why there is no answer; None if there is one.
        at: wall clock, seconds, of the answer.
    """

    data: bytes = b""
    end: int = -1
    error: Exception | None = None
    at: float = 0.0


class Tails:
    """Reads partitions from given positions on, whoever leads them.

    Args:
        settings: aiokafka's connection arguments.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Keep the arguments; the first question connects."""
        self._client = Client(settings)
        self._turn = 0

    async def stop(self) -> None:
        """Disconnect."""
        await self._client.stop()

    async def ask(self, positions: Mapping[Part, int]) -> dict[Part, Answer]:
        """Return what each partition has from a position on; after `WAIT_MS` that there is nothing new.

        Args:
            positions: offset of the next record wanted, by partition.

        Raises:
            Unreachable: no broker answers at all.
        """
        if not self._client.connected:
            await self._client.start()
        leaders = {part: await self._client.leader(*part) for part in self._ordered(positions)}
        found = {part: Answer(error=Unreachable(f"{part[0]}-{part[1]} has no leader")) for part in leaders}
        asked = sorted(((node, part) for part, node in leaders.items() if node is not None), key=lambda pair: pair[0])
        questions = [
            self._ask(node, {part: positions[part] for _, part in group})
            for node, group in groupby(asked, key=lambda pair: pair[0])
        ]
        for answers in await asyncio.gather(*questions):
            found |= answers
        if any(answer.error for answer in found.values()):
            await self._client.refresh()
        return found

    def _ordered(self, positions: Mapping[Part, int]) -> list[Part]:
        """Return the partitions, each time another one first: a broker fills its answer in the order asked."""
        parts = sorted(positions)
        self._turn = (self._turn + 1) % max(1, len(parts))
        return parts[self._turn :] + parts[: self._turn]

    async def _ask(self, node: int, positions: Mapping[Part, int]) -> dict[Part, Answer]:
        topics: dict[str, list[tuple[int, int, int]]] = {}
        for (topic, partition), position in positions.items():
            topics.setdefault(topic, []).append((partition, position, PART_BYTES))
        request = FetchRequest(WAIT_MS, 1, ANSWER_BYTES, _UNCOMMITTED, list(topics.items()))
        try:
            reply = await self._client.raw.send(node, request)
        except (KafkaError, Unreachable, OSError) as error:
            return {part: Answer(error=error) for part in positions}
        self._client.widen()
        now = time.time()
        return {
            (topic, found[0]): Answer(found[-1] or b"", found[2], for_code(found[1])() if found[1] else None, now)
            for topic, parts in reply.topics
            for found in parts
        }
