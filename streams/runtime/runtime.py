"""What the partitions of one worker share: connections, directory, clock settings; and which partitions it has."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faust.types import TP

from streams import fast
from streams.effects import Limits
from streams.rekey.sender import Sender
from streams.runtime import collector
from streams.runtime.following import Following
from streams.runtime.memory import Memory
from streams.runtime.partition import InputPartition, State
from streams.runtime.rekeyed import Outlets, RekeyedPartition
from streams.runtime.restoring import Turns
from streams.runtime.stats import WorkerStats
from streams.runtime.table import TablePartition
from streams.runtime.taking import INPUT_BYTES, TakeSize
from streams.runtime.turns import Turn
from streams.stats import StreamStats, TableStats
from streams.transport.appender import DELIVERY_SECONDS
from streams.transport.client import Client
from streams.transport.errors import PartitionMismatch
from streams.transport.events import EventProducer
from streams.transport.produce import FencedWriter
from streams.transport.topics import delete_retention_seconds, max_message_bytes, retention_seconds

if TYPE_CHECKING:
    from streams.effects import Event, Records
    from streams.lookup import Lookup
    from streams.plan import Plan, StreamPlan, TablePlan
    from streams.runtime.lookups import Follower
    from streams.settings import KafkaSettings
    from streams.transport.assignor import Topics
    from streams.transport.consumer import BatchConsumer

log = logging.getLogger(__name__)

SWITCH_SECONDS = 0.001
"""How long a thread keeps the interpreter while another waits: Python's own 5 ms hold up fetches and heartbeats."""
PAUSE_DEADLINE = 4.0
"""Seconds that a batch in progress may take to end when partitions are taken away or the worker stops."""


class Runtime:
    """Runs the partitions that Faust assigns to this worker.

    Args:
        app: the Faust app.
        plan: of the declaration.
        settings: of Kafka.
        directory: where the local stores lie.
        memory: what open cells may take; None sets no bound.
    """

    tick_interval = 0.2
    """Seconds between looks at a silent input."""
    answer_timeout = 5.0
    """Seconds after which a fetch that was not answered means that the broker is away, not that the input is silent."""

    def __init__(
        self, app: Any, plan: Plan, settings: KafkaSettings, directory: Path, memory: Memory | None = None
    ) -> None:
        self.app, self.plan, self.settings, self.directory = app, plan, settings, directory
        self.memory = memory or Memory(None)
        self.kafka = settings.aiokafka()
        self.fenced_pause = 2 * settings.session_timeout_ms / 1000
        self.zombie_seconds = DELIVERY_SECONDS + settings.session_timeout_ms / 1000
        self.stats = WorkerStats()
        self.stream_stats = {name: StreamStats() for name in plan.streams}
        self.table_stats = {name: TableStats() for name in plan.tables}
        self.partitions: dict[TP, InputPartition] = {}
        self.tables: dict[tuple[str, int], TablePartition] = {}
        """Table partitions that are worked on or followed here, by table and number."""
        self.following = Following(self)
        self.by_changelog = {table.changelog: table for table in plan.tables.values()}
        self.by_topic = {stream.stream.topic: stream for stream in plan.streams.values()}
        self.by_repartition = plan.rekeyed
        self.counts: dict[str, int] = {}
        self.lookups: dict[str, Lookup] = {}
        self.followers: dict[str, Follower] = {}
        self.changelogs: dict[str, str] = {}
        self.turn = Turn()
        """Held while a partition decodes, or makes a write: one does at a time."""
        self.restores = Turns()
        self.waiting_for = "the broker"
        self.rebalanced = False
        self._client: Client | None = None
        self._events: EventProducer | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._records = 0
        self.take = TakeSize()

    @property
    def consumer(self) -> BatchConsumer:
        """The app's consumer."""
        consumer: BatchConsumer = self.app.consumer
        return consumer

    async def start(self, client: Client) -> None:
        """Begin to produce through a connected client."""
        self._client = client
        self._events = EventProducer(client, compression=self.settings.compression_type)
        self.consumer.wanted = self.wanted
        self.consumer.running = self.running
        self.consumer.behind = self.behind
        self.consumer.busy = self.busy
        self.consumer.room = self.room
        self.consumer.drained = self.drained
        self.app.assignor.caught_up = self.following.caught_up
        collector.spare()
        sys.setswitchinterval(SWITCH_SECONDS)
        self.memory.tell(table.table for table in self.plan.tables.values())
        self.note(0)
        self.waiting_for = ""

    def note(self, records: int) -> None:
        """Count records that were read, and see how large batches should be.

        When there were many, compiled loops are loaded for those to come.
        """
        self._records += records
        tables, cells = self.table_stats.values(), sum(len(each.engine.cells) for each in self.tables.values())
        self.take.wrote(sum(each.writes for each in tables), sum(each.records for each in tables), cells)
        self.consumer.max_take_bytes = self.take.bytes
        if fast.wanted(self._records):
            fast.prepare()

    async def stop(self) -> None:
        """Close partitions and connections."""
        await asyncio.gather(*(follower.stop() for follower in self.followers.values()))
        await self.drained()
        await self.following.stop()
        closing = list(self.partitions.values())
        self.partitions.clear()
        await asyncio.gather(*(partition.close() for partition in closing), *self._closing)
        if self._client is not None:
            await self._client.stop()

    # what partitions ask

    def table(self, plan: TablePlan, partition: int) -> TablePartition:
        """Return a table partition; whoever works on it or follows it here has the same one."""
        key = plan.name, partition
        if key not in self.tables:
            self.tables[key] = TablePartition(self, plan, partition)
        return self.tables[key]

    async def leave(self, table: TablePartition) -> None:
        """Close a table partition unless it is worked on or followed here by now."""
        if self._in_use(table):
            return
        async with table.held:
            if not self._in_use(table):
                self.tables.pop((table.plan.name, table.partition), None)
                await table.close()

    def _in_use(self, table: TablePartition) -> bool:
        return table in self.following.followers or any(table in each.tables for each in self.partitions.values())

    def writer(self, table: TablePlan, partition: int) -> FencedWriter:
        """Return a fenced writer for one changelog partition."""
        if self._client is None:
            raise RuntimeError("the runtime was not started")
        name = f"{self.plan.declaration.app}-{table.name}-{partition}"
        worker = str(self.app.conf.canonical_url)
        packed = self.settings.compression_type
        return FencedWriter(
            self._client, self.changelog(table), partition, transactional_id=name, worker=worker, compression=packed
        )

    async def send(self, events: list[Event]) -> None:
        """Produce events and wait until all are acknowledged."""
        if self._events is None:
            raise RuntimeError("the runtime was not started")
        await self._events.send(events)

    def limits(self, writer: FencedWriter) -> Limits:
        """Return the bounds of one write to this changelog."""
        default = Limits()
        return Limits(default.records, min(default.size, writer.limit * 3 // 4))

    def changelog(self, table: TablePlan) -> str:
        """Return the changelog topic of a table: the generation that its declaration goes on with."""
        return self.changelogs.get(table.name, table.changelog)

    async def retention(self, changelog: str) -> float | None:
        """Return after how many seconds the broker deletes what was written to a changelog; None for never."""
        if self._client is None:
            raise RuntimeError("the runtime was not started")
        return await retention_seconds(self._client, changelog)

    async def check_partitions(self, stream: StreamPlan) -> None:
        """See that a stream's topic has the partitions that it had at the start: keys lie where they lay.

        Raises:
            PartitionMismatch: it has others.
        """
        before = self.counts.get(stream.name)
        if self._client is None or before is None:
            return
        topic = stream.stream.topic
        now = await self._client.partition_count(topic)
        if now != before:
            raise PartitionMismatch(
                f"topic {topic!r} had {before} partitions and has {now}: its keys are now in other partitions than "
                f"their state. Nothing is counted until that is settled: use a new topic, or start over with "
                f"`streams reset`"
            )

    def outlets(self, stream: StreamPlan, origin: str) -> Outlets:
        """Return what sends the rows of an input partition to its re-keyed tables."""
        return Outlets(self, stream, origin)

    async def sender(self, table: TablePlan, origin: str) -> Sender:
        """Return what sends rows of an origin to a re-keyed table."""
        limit = await self.largest(str(table.repartition))
        made = Sender(table, origin, self.plan.partitions(table.name, self.counts), limit)
        made.stats = self.table_stats[table.name]
        return made

    async def largest(self, topic: str) -> int:
        """Return the bytes of the largest record batch that a topic takes."""
        if self._client is None:
            raise RuntimeError("the runtime was not started")
        return await max_message_bytes(self._client, topic)

    async def max_age(self, changelog: str) -> float:
        """Return how old, in seconds, a local store may be: an older one may have missed tombstones."""
        if self._client is None:
            raise RuntimeError("the runtime was not started")
        return await delete_retention_seconds(self._client, changelog) / 2

    def changed(self) -> None:
        """Tell the consumer's thread that other partitions are wanted."""
        self.consumer.nudge()

    async def first_offset(self, tp: TP, begin: int) -> int:
        """Return where a partition without commit and progress is read from, by `auto.offset.reset`."""
        return begin if self.settings.auto_offset_reset == "earliest" else await self.consumer.end(tp)

    def lag(self, partition: InputPartition) -> int | None:
        """Return how many offsets of the input are not folded yet, None before the first fetch."""
        highwater = self.consumer.highwater(partition.tp)
        return None if highwater is None else max(0, highwater - partition.position)

    # what Faust says

    def wanted(self) -> set[TP]:
        """Return the partitions that can take another batch."""
        return {tp for tp, partition in self.partitions.items() if partition.wants()}

    def running(self) -> set[TP]:
        """Return the partitions that are worked on; may be asked by any thread."""
        return {tp for tp, partition in list(self.partitions.items()) if partition.state is State.RUNNING}

    def room(self) -> int:
        """Return how many bytes of values may still be handed in; may be asked by any thread."""
        return INPUT_BYTES - sum(each.inbox.held for each in list(self.partitions.values()))

    def work_of(self, partition: InputPartition) -> list[Records]:
        """Return all that waits at a partition, and let more come if it had no room."""
        full, waiting = not partition.wants(), partition.inbox.take()
        if full:
            self.changed()
        return waiting

    def worked(self, partition: InputPartition) -> None:
        """Note that a partition has nothing in work: there may be room for others."""
        short = self.room() <= 0
        partition.inbox.done()
        if short:
            self.changed()

    def behind(self) -> bool:
        """Return whether most partitions have input that waits."""
        partitions = list(self.partitions.values())
        return 2 * sum(bool(each.inbox) for each in partitions) > len(partitions)

    def busy(self) -> bool:
        """Return whether a partition computes, or has input that waits."""
        return self.turn.taken or any(each.inbox for each in list(self.partitions.values()))

    def accept(self, tp: TP, records: Any) -> None:
        """Hand a fetched batch to its partition."""
        partition = self.partitions.get(tp)
        if partition is not None:
            partition.accept(records)

    async def drained(self) -> None:
        """Stop all partitions between two batches."""
        await asyncio.gather(*(partition.pause(PAUSE_DEADLINE) for partition in self.partitions.values()))

    def assigned(self, tps: Iterable[TP], standbys: Iterable[TP] = (), warming: Topics | None = None) -> None:
        """Take over the partitions of a new assignment; close those that are gone.

        Args:
            tps: of inputs; others are passed over.
            standbys: changelog partitions to follow.
            warming: those of them that this worker gets as soon as it is ready, by changelog.
        """
        self.stats.rebalances += 1
        self.rebalanced = True
        ours = {tp for tp in tps if tp.topic in self.by_topic or tp.topic in self.by_repartition}
        for tp in set(self.partitions) - ours:
            task = asyncio.create_task(self.partitions.pop(tp).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        self.take.partitions = len(ours)
        self.consumer.max_take_bytes = self.take.bytes
        self.consumer.max_fetch_bytes = self.take.fetched(self.settings.max_partition_fetch_bytes)
        for tp in ours - set(self.partitions):
            self.partitions[tp] = self._partition(tp)
        followed = [(self.by_changelog[tp.topic], tp.partition) for tp in standbys if tp.topic in self.by_changelog]
        self.following.assign([self.table(*each) for each in followed], warming or {})
        for tp in ours:
            self.partitions[tp].start()

    def _partition(self, tp: TP) -> InputPartition:
        if tp.topic in self.by_topic:
            return InputPartition(self, self.by_topic[tp.topic], tp.partition)
        return RekeyedPartition(self, self.by_repartition[tp.topic], tp.partition)

    def ready(self) -> tuple[bool, str]:
        """Return whether every assigned partition is restored and running, and if not, what is waited for."""
        if self.waiting_for:
            return False, f"waiting: {self.waiting_for}"
        if not self.rebalanced:
            return False, "waiting to join the consumer group"
        behind = [each for each in self.partitions.values() if each.state is not State.RUNNING]
        return not behind, "; ".join(f"{each.origin} is {each.state.value}: {each.reason}" for each in behind)
