"""What must be there before the worker joins its group: a broker, the source topics, the topics that we own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mode import Service

from streams.lookup_files import LookupUnreadable, read_all
from streams.runtime.generations import generation
from streams.runtime.lookups import Follower
from streams.transport import topics
from streams.transport.client import Client
from streams.transport.errors import TopicMissing, TransportError

if TYPE_CHECKING:
    from streams.plan import Plan, TablePlan
    from streams.runtime.runtime import Runtime
    from streams.settings import KafkaSettings

log = logging.getLogger(__name__)

RETRY = 2.0
"""Seconds between two looks for what is missing."""
OUTPUT_BATCH = 8 << 20
"""`max.message.bytes` of the output topics that we create: a dead letter is as large as the record it holds."""


class Preflight(Service):
    """Waits for the broker and the source topics, however long, and creates our topics with the source's partitions.

    Args:
        runtime: started when all is there.
        settings: of Kafka.
    """

    def __init__(self, runtime: Runtime, settings: KafkaSettings, **options: Any) -> None:
        self.runtime, self.settings = runtime, settings
        super().__init__(**options)

    async def on_start(self) -> None:
        """Return when the worker may join its group, or when it is told to stop."""
        client = Client(self.runtime.kafka)
        last = ""
        while not (self.should_stop or self.runtime.app.should_stop):
            try:
                await self._prepare(client)
            except (TransportError, LookupUnreadable) as error:
                if str(error) != last:
                    log.warning("%s; it is tried again every %.0f s", error, RETRY)
                last = self.runtime.waiting_for = str(error)
                await self.sleep(RETRY)
            else:
                await self.runtime.start(client)
                return
        await client.stop()

    async def _prepare(self, client: Client) -> None:
        self.runtime.lookups |= await asyncio.to_thread(read_all, self.runtime.plan)
        if not client.connected:
            await client.start()
        if client.embedded:
            log.warning(
                "The broker is EMBEDDED: it keeps everything in memory and cannot fence writers. It is for trying out, "
                "never for data that matters"
            )
        counts = {}
        for stream in self.runtime.plan.streams.values():
            counts[stream.name] = await topics.partitions(client, stream.stream.topic)
        self.runtime.counts = counts
        for topic, table in self.runtime.plan.rekeyed.items():
            config, copies = self._with_copies(dict(table.repartition_config)), self.settings.replication_factor
            await topics.ensure(client, topic, self.runtime.plan.partitions(table.name, counts), config, copies)
        for table in self.runtime.plan.tables.values():
            await self._changelog(client, table, self.runtime.plan.partitions(table.name, counts))
        for topic in outputs(self.runtime.plan):
            await self._output(client, topic, self.settings.partitions or max(counts.values(), default=1))
        await self._lookups(client)

    async def _lookups(self, client: Client) -> None:
        """Follow the topics of lookups, and see that each was read to its end.

        Raises:
            NotWhole: one was not; it is read on.
        """
        for name, lookup in self.runtime.plan.lookups.items():
            if name not in self.runtime.followers:
                self.runtime.followers[name] = Follower(client, lookup)
                self.runtime.followers[name].start()
        for name, follower in self.runtime.followers.items():
            await follower.whole(RETRY)
            self.runtime.lookups[name] = follower.lookup

    async def _changelog(self, client: Client, table: TablePlan, count: int) -> None:
        """Choose the table's changelog and create it; the plain one must exist, Faust assigns partitions by it."""
        chosen = await generation(client, table)
        for topic in {table.changelog: None, chosen: None}:
            config = self._with_copies(dict(table.changelog_config))
            await topics.ensure(client, topic, count, config, self.settings.replication_factor)
        if chosen != table.changelog:
            log.warning(
                "table %s: %s holds state of another declaration of it; this one's is in %s",
                table.name,
                table.changelog,
                chosen,
            )
        self.runtime.changelogs[table.name] = chosen

    def _with_copies(self, config: dict[str, str]) -> dict[str, str]:
        if self.settings.min_insync_replicas is not None:
            config["min.insync.replicas"] = str(self.settings.min_insync_replicas)
        return config

    async def _output(self, client: Client, topic: str, count: int) -> None:
        """Create a topic that we only produce to; one that exists may have any number of partitions."""
        try:
            await topics.partitions(client, topic)
        except TopicMissing:
            config = self._with_copies({"max.message.bytes": str(OUTPUT_BATCH)})
            await topics.ensure(client, topic, count, config, self.settings.replication_factor)


def outputs(plan: Plan) -> Iterator[str]:
    """Yield the topics that the app produces to, changelogs apart, each once."""
    found = {plan.dead_letters: None}
    for table in plan.tables.values():
        found.update(dict.fromkeys(filter(None, (table.emit_topic, table.late_topic, table.dead_letters))))
        found.update(dict.fromkeys(rule.topic for rule in table.rules))
    yield from found
