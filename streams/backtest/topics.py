"""History from topics: a stretch of time of every stream's topic, read in bulk and outside of every group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.transport.history import HistoryReader, Stretch

if TYPE_CHECKING:
    from streams.backtest.replay import Replay
    from streams.planned import Plan

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Topics:
    """The topics of a declaration's streams.

    Args:
        settings: aiokafka's connection arguments.
        from_: ms, of the records' Kafka timestamps; None is the beginning.
        to: ms; None is the end of the log as it is now.
    """

    settings: Mapping[str, Any]
    from_: int | None
    to: int | None

    def stretches(self, plan: Plan) -> list[Stretch]:
        """Return what there is to read.

        Raises:
            TransportError: no broker answers, or a topic is missing.
        """

        async def ask(reader: HistoryReader) -> list[Stretch]:
            return await reader.stretches(_topics(plan), self.from_, self.to)

        found: list[Stretch] = asyncio.run(self._connected(ask))
        return found

    def play(self, replay: Replay, stretches: Collection[Stretch], progress: Progress) -> None:
        """Feed the stretches to a replay, after the whole of its lookups.

        Args:
            replay: of the declaration, with as many partitions as there are.
            stretches: to read.
            progress: is told how many offsets were read since it was told last.

        Raises:
            TransportError: no broker answers, or a batch is damaged.
        """
        topics = _topics(replay.plan)

        async def read(reader: HistoryReader) -> None:
            if looked := {each.topic for each in replay.plan.lookups.values()}:
                async for topic, _, records in reader.read(await reader.stretches(looked, None, None)):
                    replay.learn(topic, records)
            async for topic, partition, records in reader.read(stretches):
                if topic in topics:
                    replay.fold(topic, partition, records)
                progress(records.hi - records.lo)

        replay.only(topics)
        if any(each.hi > each.lo for each in stretches):
            asyncio.run(self._connected(read))

    async def _connected(self, use: Callable[[HistoryReader], Any]) -> Any:
        reader = HistoryReader(self.settings)
        await reader.start()
        try:
            return await use(reader)
        finally:
            await reader.stop()


def _topics(plan: Plan) -> list[str]:
    """Return the topics that are read, but for those that the app itself fills."""
    produced = {table.emit_topic for table in plan.tables.values()}
    return sorted({each.stream.topic for each in plan.streams.values()} - produced)
