"""A topic read whole, all partitions from the beginning, and followed: by a consumer outside of every group."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.transport import fetch
from streams.transport.client import connection
from streams.transport.errors import ReadFailed, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.effects import Records

TAKE_BYTES = 1 << 20
"""What is taken of a partition at once, so that what is made of it holds nobody up."""


class WholeTopic:
    """Reads one topic.

    Args:
        settings: aiokafka's connection arguments.
        topic: to read.
        count: of its partitions.
    """

    def __init__(self, settings: Mapping[str, Any], topic: str, count: int) -> None:
        """Keep the arguments; `start` connects."""
        self._settings = connection(settings)
        self.topic = topic
        self._tps = [TopicPartition(topic, number) for number in range(count)]
        self._ends: dict[TopicPartition, int] = {}
        self._consumer = AIOKafkaConsumer(
            **self._settings,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )

    async def start(self) -> None:
        """Connect, and begin at the beginning.

        Raises:
            Unreachable: no broker answered.
        """
        try:
            await self._consumer.start()
            fetch.keep(self._consumer._fetcher)
            self._consumer.assign(self._tps)
            for tp, offset in (await self._consumer.beginning_offsets(self._tps)).items():
                self._consumer.seek(tp, offset)
        except (KafkaError, OSError) as error:
            await self._consumer.stop()
            raise Unreachable(f"topic {self.topic} cannot be read: {error!r}") from error

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def read(self, seconds: float) -> list[tuple[int, Records]]:
        """Return what came next, as (partition, records), each partition in its order; nothing after some seconds.

        Raises:
            ReadFailed: a batch is damaged, or the log has not what was to be read: it was made anew.
        """
        try:
            await fetch.wait(self._consumer._fetcher, seconds, self._tps)
            found = fetch.take(self._consumer._fetcher, self._tps, TAKE_BYTES)
        except KafkaError as error:
            raise ReadFailed(f"topic {self.topic} cannot be read on: {error!r}") from error
        return [(tp.partition, records) for tp, records in found.items()]

    def whole(self) -> bool:
        """Return whether all was read that was there at the first answers: ends are positions, not last records."""
        for tp in self._tps:
            end = self._end(tp)
            if tp not in self._ends and end is not None:
                self._ends[tp] = end
        return all(tp in self._ends and self._position(tp) >= self._ends[tp] for tp in self._tps)

    def behind(self) -> int | None:
        """Return how many offsets are not read yet, by the last answers; None before all partitions were answered."""
        ends = [self._end(tp) for tp in self._tps]
        left = [end - self._position(tp) for tp, end in zip(self._tps, ends, strict=True) if end is not None]
        return sum(max(0, each) for each in left) if len(left) == len(ends) else None

    def silence(self) -> float:
        """Return for how many seconds a partition was not answered; 0 before all were for the first time."""
        answers = [fetch.position(self._consumer._fetcher, tp).answered for tp in self._tps]
        times = [each for each in answers if each is not None]
        return time.time() - min(times) / 1000 if times and len(times) == len(answers) else 0.0

    def _position(self, tp: TopicPartition) -> int:
        return fetch.position(self._consumer._fetcher, tp).position or 0

    def _end(self, tp: TopicPartition) -> int | None:
        """Return the offset up to which a partition can be read; None before it was answered."""
        highwater, stable = self._consumer.highwater(tp), self._consumer.last_stable_offset(tp)
        if highwater is None:
            return None
        return int(min(highwater, stable) if stable is not None and stable >= 0 else highwater)
