"""A stretch of some topics, read in bulk by a consumer of its own, outside of every group: nothing is committed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.effects import Records
from streams.transport import fetch
from streams.transport.client import connection
from streams.transport.errors import ReadFailed, TopicMissing, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

FETCH_BYTES = 8 << 20
STALL_SECONDS = 60.0


@dataclass(frozen=True)
class Stretch:
    """What is read of one partition: the offsets `[lo, hi)`."""

    topic: str
    partition: int
    lo: int
    hi: int


class HistoryReader:
    """Reads topics from time to time.

    Args:
        settings: aiokafka's connection arguments.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Keep the arguments; `start` connects."""
        self._settings = connection(settings)
        self._address = self._settings.get("bootstrap_servers", "localhost:9092")
        self._consumer = AIOKafkaConsumer(
            **self._settings,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=100,
        )

    async def start(self) -> None:
        """Connect.

        Raises:
            Unreachable: no broker answered.
        """
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            await self._consumer.stop()
            raise Unreachable(f"no Kafka broker answers at {self._address}: {error}") from error
        fetch.keep(self._consumer._fetcher)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def stretches(self, topics: Collection[str], from_: int | None, to: int | None) -> list[Stretch]:
        """Return what there is of topics from `from_` to before `to`.

        Args:
            topics: to read.
            from_: ms, of the records' Kafka timestamps; None is the beginning of the log.
            to: ms; None is the end of the log as it is now.

        Raises:
            TopicMissing: there is no such topic.
            Unreachable: the broker does not answer.
        """
        try:
            return [each for topic in topics for each in await self._of_topic(topic, from_, to)]
        except (KafkaError, OSError) as error:
            raise Unreachable(f"{', '.join(topics)} at {self._address} cannot be asked for: {error!r}") from error

    async def _of_topic(self, topic: str, from_: int | None, to: int | None) -> list[Stretch]:
        numbers = (await self._consumer._client.fetch_all_metadata()).partitions_for_topic(topic)
        if not numbers:
            raise TopicMissing(f"there is no topic {topic!r} at {self._address}")
        tps = [TopicPartition(topic, number) for number in sorted(numbers)]
        begins = await self._consumer.beginning_offsets(tps)
        ends = await self._ends(begins)
        starts = begins if from_ is None else await self._at(tps, from_, ends)
        stops = ends if to is None else await self._at(tps, to, ends)
        return [Stretch(topic, tp.partition, starts[tp], max(stops[tp], starts[tp])) for tp in tps]

    async def _ends(self, begins: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return the ends of partitions, from fetch answers, which all brokers give correctly."""
        self._consumer.assign(list(begins))
        for tp, offset in begins.items():
            self._consumer.seek(tp, offset)
        ends: dict[TopicPartition, int] = {}
        deadline = time.monotonic() + STALL_SECONDS
        while len(ends) < len(begins):
            if time.monotonic() > deadline:
                raise Unreachable(f"{next(iter(begins)).topic} at {self._address} does not answer: where does it end?")
            await asyncio.sleep(0.01)
            ends |= {tp: end for tp in begins if (end := self._end(tp)) is not None}
        return ends

    def _end(self, tp: TopicPartition) -> int | None:
        """Return the offset up to which a partition can be read; None before it was answered."""
        highwater, stable = self._consumer.highwater(tp), self._consumer.last_stable_offset(tp)
        if highwater is None:
            return None
        return int(min(highwater, stable) if stable is not None and stable >= 0 else highwater)

    async def _at(self, tps: list[TopicPartition], ms: int, ends: Mapping[Any, int]) -> dict[TopicPartition, int]:
        found = await self._consumer.offsets_for_times(dict.fromkeys(tps, ms))
        return {tp: ends[tp] if found[tp] is None else found[tp].offset for tp in tps}

    async def read(self, stretches: Collection[Stretch]) -> AsyncIterator[tuple[str, int, Records]]:
        """Yield (topic, partition, records) until every stretch is read, each in its order.

        Raises:
            ReadFailed: a batch is damaged, or nothing came for a minute though there is more.
        """
        open_ = {TopicPartition(each.topic, each.partition): each.hi for each in stretches if each.hi > each.lo}
        self._consumer.assign(list(open_))
        for each in stretches:
            if each.hi > each.lo:
                self._consumer.seek(TopicPartition(each.topic, each.partition), each.lo)
        moved = time.monotonic()
        while open_:
            await fetch.wait(self._consumer._fetcher, 1.0, list(open_))
            found = self._take(list(open_))
            if not found and time.monotonic() - moved > STALL_SECONDS:
                waits = ", ".join(f"{tp.topic}-{tp.partition}" for tp in open_)
                raise ReadFailed(f"{waits} at {self._address}: nothing came for {STALL_SECONDS:.0f} s")
            for tp, records in found.items():
                moved = time.monotonic()
                hi = open_[tp]
                if records.hi >= hi:
                    del open_[tp]
                    self._consumer.pause(tp)
                yield tp.topic, tp.partition, records if records.hi <= hi else records.before(hi)

    def _take(self, tps: list[TopicPartition]) -> dict[TopicPartition, Records]:
        try:
            return fetch.take(self._consumer._fetcher, tps, FETCH_BYTES)
        except KafkaError as error:
            raise ReadFailed(f"{self._address}: {error!r}") from error
