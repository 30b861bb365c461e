"""What the partitions of one worker share: connections, directory, clock settings; and which partitions it has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faust.types import TP

from streams.engine_limits import Limits
from streams.runtime.partition import InputPartition, State
from streams.runtime.stats import WorkerStats
from streams.transport.client import Client
from streams.transport.produce import EventProducer, FencedWriter

if TYPE_CHECKING:
    from streams.effects import Event
    from streams.plan import Plan, TablePlan
    from streams.transport.consumer import BatchConsumer

log = logging.getLogger(__name__)

PAUSE_DEADLINE = 4.0
"""Seconds that a batch in progress may take to end when partitions are taken away or the worker stops."""


class Runtime:
    """Runs the partitions that Faust assigns to this worker.

    Args:
        app: the Faust app.
        plan: of the declaration.
        kafka: keyword arguments of an aiokafka client.
        directory: where the local stores lie.
    """

    tick_interval = 0.2
    """Seconds between looks at a silent input."""
    answer_timeout = 5.0
    """Seconds after which a fetch that was not answered means that the broker is away, not that the input is silent."""

    def __init__(self, app: Any, plan: Plan, kafka: dict[str, Any], directory: Path) -> None:
        self.app, self.plan, self.kafka, self.directory = app, plan, kafka, directory
        self.stats = WorkerStats()
        self.partitions: dict[TP, InputPartition] = {}
        self.by_topic = {stream.stream.topic: stream for stream in plan.streams.values()}
        self.waiting_for = "the broker"
        self.rebalanced = False
        self._client: Client | None = None
        self._events: EventProducer | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def consumer(self) -> BatchConsumer:
        """The app's consumer."""
        consumer: BatchConsumer = self.app.consumer
        return consumer

    async def start(self, client: Client) -> None:
        """Begin to produce through a connected client."""
        self._client = client
        self._events = EventProducer(self.kafka)
        await self._events.start()
        self.consumer.wanted = self.wanted
        self.consumer.drained = self.drained
        self.waiting_for = ""

    async def stop(self) -> None:
        """Close partitions and connections."""
        await self.drained()
        await asyncio.gather(*(partition.close() for partition in self.partitions.values()), *self._closing)
        self.partitions.clear()
        if self._events is not None:
            await self._events.stop()
        if self._client is not None:
            await self._client.stop()

    # what partitions ask

    def writer(self, table: TablePlan, partition: int) -> FencedWriter:
        """Return a fenced writer for one changelog partition."""
        if self._client is None:
            raise RuntimeError("the runtime was not started")
        return FencedWriter(self._client, table.changelog, partition, f"{self.plan.declaration.app}-{table.table.name}-{partition}")

    async def send(self, events: list[Event]) -> None:
        """Produce events and wait until all are acknowledged."""
        if self._events is None:
            raise RuntimeError("the runtime was not started")
        await self._events.send(events)

    def limits(self, writer: FencedWriter | None) -> Limits:
        """Return the bounds of one write to this changelog."""
        return Limits() if writer is None else Limits(bytes=writer.limit)

    def changed(self) -> None:
        """Tell the consumer's thread that other partitions are wanted."""
        self.consumer._thread.nudge()

    def first_offset(self, tp: TP, begin: int, end: int | None) -> int:
        """Return where a partition without commit and progress is read from, by `auto.offset.reset`."""
        del tp
        return begin if end is None else end

    # what Faust says

    def wanted(self) -> set[TP]:
        """Return the partitions that can take another batch."""
        return {tp for tp, partition in self.partitions.items() if partition.wants()}

    def accept(self, tp: TP, records: Any) -> None:
        """Hand a fetched batch to its partition."""
        partition = self.partitions.get(tp)
        if partition is not None:
            partition.accept(records)

    async def drained(self) -> None:
        """Stop all partitions between two batches."""
        await asyncio.gather(*(partition.pause(PAUSE_DEADLINE) for partition in self.partitions.values()))

    def assigned(self, tps: Iterable[TP]) -> None:
        """Take over the partitions of a new assignment; close those that are gone."""
        self.stats.rebalances += 1
        self.rebalanced = True
        ours = {tp for tp in tps if tp.topic in self.by_topic}
        for tp in set(self.partitions) - ours:
            task = asyncio.create_task(self.partitions.pop(tp).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        for tp in ours:
            if tp not in self.partitions:
                self.partitions[tp] = InputPartition(self, self.by_topic[tp.topic], tp.partition)
            self.partitions[tp].start()

    def ready(self) -> tuple[bool, str]:
        """Return whether every assigned partition is restored and running, and if not, what is waited for."""
        if self.waiting_for:
            return False, f"waiting for {self.waiting_for}"
        if not self.rebalanced:
            return False, "waiting to join the consumer group"
        behind = [f"{p.origin}: {p.state.value} {p.reason}".strip() for p in self.partitions.values() if p.state is not State.RUNNING]
        return not behind, "; ".join(behind)
