"""One table partition, followed on real brokers while another owns it: what the follower has, and what breaks it."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.effects import Limits, Records
from streams.engine import StreamEngine
from streams.load import loads
from streams.plan import plan
from streams.runtime.following import Following
from streams.runtime.memory import Memory
from streams.runtime.restoring import Turns
from streams.runtime.stats import WorkerStats
from streams.runtime.table import TablePartition
from streams.stats import TableStats
from streams.transport import topics
from streams.transport.client import Client
from streams.transport.produce import FencedWriter
from tables.records import CLAIM
from tables.store import MemoryStore
from tests.integration.remade import remake
from tests.outside import compacted

if TYPE_CHECKING:
    from streams.embedded import EmbeddedBroker
    from tests.brokers import KafkaCluster

    Broker = KafkaCluster | EmbeddedBroker

TEXT = """
app: {app}
streams:
  requests: {{topic: web, codec: json, time: ts, key: host}}
tables:
  totals: {{from: requests, key: host, window: {{tumbling: 10s, grace: 5s}}, standby: 1, aggregates: {{n: count()}}}}
"""
ORIGIN = "web-0"
BASE = 1_700_000_000_000
SECONDS = 30.0


@pytest.fixture(
    params=[pytest.param("kafka", marks=pytest.mark.kafka), pytest.param("embedded", marks=pytest.mark.embedded)]
)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both brokers, one after the other."""
    found: Broker = request.getfixturevalue(request.param)
    return found


class Host:
    """As much of a worker as its table partitions and followers ask for.

    Args:
        client: a started client.
        app: the app's id.
        folder: for the local stores.
    """

    def __init__(self, client: Client, app: str, folder: Path) -> None:
        """Have nothing yet."""
        self.client, self.kafka, self.directory = client, client.settings, folder
        self.plan = plan(loads(TEXT.format(app=app)))
        (self.table_plan,) = self.plan.tables.values()
        self.restores, self.zombie_seconds, self.partitions = Turns(), 0.0, {}
        self.memory = Memory(None)
        self.table_stats, self.stats = {"totals": TableStats()}, WorkerStats()
        self.consumer = SimpleNamespace(ask_again=lambda: None)
        self.table = TablePartition(self, self.table_plan, 0)  # type: ignore[arg-type] # only what it asks for
        self.following = Following(self)  # type: ignore[arg-type] # only what it asks for
        self.sent = 0

    def changelog(self, table: Any) -> str:
        """Return the topic."""
        return str(table.changelog)

    def writer(self, table: Any, partition: int) -> FencedWriter:
        """Return a fenced writer."""
        name = f"{self.plan.declaration.app}-{table.name}-{partition}"
        return FencedWriter(self.client, table.changelog, partition, transactional_id=name)

    def limits(self, writer: FencedWriter) -> Limits:
        """Return the usual limits."""
        del writer
        return Limits()

    async def retention(self, changelog: str) -> None:
        """Return that nothing is deleted."""

    async def max_age(self, changelog: str) -> float:
        """Return a day."""
        del changelog
        return 86_400.0

    async def send(self, events: list[Any]) -> None:
        """Count events."""
        self.sent += len(events)

    def ready(self) -> tuple[bool, str]:
        """Return that nothing is waited for."""
        return True, ""

    async def leave(self, table: TablePartition) -> None:
        """Keep the store open: the test takes over."""

    # as an owner

    async def own(self) -> bool:
        """Claim the partition and restore it, as its input partition would."""
        async with self.table.held:
            restored = await self.table.open()
            if ORIGIN not in self.table.engine.progress.origins:
                await self._drive(self.table.engine.start(ORIGIN, -1))
            if restored:
                await self._drive(self.table.engine.resume())
        return restored

    async def fold(self, host: str, count: int, at: int) -> None:
        """Count events of one host at a second, in a write of its own."""
        lo, stamp = self.table.engine.progress.origins[ORIGIN].z + 1, BASE + 1000 * at
        values: list[bytes | None] = [json.dumps({"host": host, "ts": stamp}).encode()] * count
        records = Records(lo, lo + count, np.arange(lo, lo + count), np.full(count, stamp), values)
        batch, _ = StreamEngine(self.plan.streams["requests"], 0).decode(records)
        await self._drive(self.table.engine.fold(batch))

    async def _drive(self, writes: Any) -> None:
        for write in writes:
            await self.table.deliver(write)

    # as a follower

    def follow(self) -> None:
        """Begin to follow."""
        self.following.assign([self.table], {})

    async def at_end(self) -> None:
        """Wait until the follower has all that there is."""
        end = await self._end()
        await until(lambda: self.table.standing is not None and (self.table.standing.end or 0) >= end)
        await until(lambda: self.table.standing is not None and self.table.standing.position == self.table.standing.end)

    async def _end(self) -> int:
        async with self.table.connect() as reader:
            _, end = await reader.bounds()
        return end

    def content(self) -> dict[bytes, bytes]:
        """Return what the local store holds, but for claims."""
        return {key: value for key, value in self.table.local_store.scan(b"") if key != CLAIM}

    async def close(self) -> None:
        """Stop following and close the store."""
        await self.following.stop()
        with suppress(RuntimeError):
            await self.table.close()


async def until(done: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.02)


def run(broker: Broker, folder: Path, body: Callable[[Host, Host], Awaitable[None]], **configs: str) -> None:
    """Run `body(owner, follower)` on an app with one partition."""

    async def main() -> None:
        client = await Client({"bootstrap_servers": broker.bootstrap}).start()
        app = f"follow{uuid.uuid4().hex[:6]}"
        hosts = Host(client, app, folder / "owner"), Host(client, app, folder / "follower")
        settings = {"cleanup.policy": "compact"} | {key.replace("_", "."): value for key, value in configs.items()}
        try:
            await topics.ensure(client, hosts[0].table_plan.changelog, 1, settings)
            await body(*hosts)
        finally:
            for host in hosts:
                await host.close()
            await client.stop()

    asyncio.run(main())


def as_logged(broker: Broker, host: Host) -> dict[bytes, bytes]:
    """Return what an independent client finds in the changelog, compacted, but for claims."""
    store = compacted(broker.bootstrap, host.table_plan.changelog).get(0, MemoryStore())
    return {key: value for key, value in store.scan(b"") if key != CLAIM}


def test_a_follower_has_what_the_log_has_and_takes_over_with_its_claim_alone(broker: Broker, tmp_path: Path) -> None:
    """From the first write on, whenever it began; a take-over reads one record, its claim, and goes on exactly."""

    async def body(owner: Host, follower: Host) -> None:
        await owner.own()
        await owner.fold("a", 3, 1)
        follower.follow()
        await follower.at_end()
        for write in range(40):
            await owner.fold(f"host-{write % 7}", 1 + write % 3, write)
        await follower.at_end()
        assert follower.content() == await asyncio.to_thread(as_logged, broker, owner)
        assert follower.table.warm is not None
        await follower.following.stop()
        assert await follower.own()
        assert follower.table.restored == 1
        assert follower.stats.promotions == 1
        assert len(follower.table.engine.cells) == len(owner.table.engine.cells)
        await follower.fold("a", 2, 39)
        await until(lambda: follower.table.reader is not None)
        reader = follower.table.reader
        assert reader is not None
        assert [row.values["n"] for row in reader.get(b"a")] == [3, 2]
        later = Host(follower.client, follower.plan.declaration.app, tmp_path / "later")
        await later.own()
        assert len(later.table.engine.cells) == len(follower.table.engine.cells)
        await later.close()

    run(broker, tmp_path, body)


@pytest.mark.kafka
def test_what_a_zombie_wrote_before_the_claim_counts_and_nothing_after_it(kafka: KafkaCluster, tmp_path: Path) -> None:
    """A write that landed without an acknowledgement is history like any other; after the claim none lands."""

    async def body(owner: Host, follower: Host) -> None:
        await owner.own()
        follower.follow()
        await owner.fold("a", 1, 1)
        await follower.at_end()
        await follower.following.stop()
        await owner.fold("a", 1, 2)
        await follower.own()
        assert follower.table.restored > 1, "the write behind the follower's back, and the claim"
        with pytest.raises(Exception, match="took over"):
            await owner.fold("a", 1, 3)
        await follower.fold("a", 1, 3)
        stores = await asyncio.to_thread(as_logged, kafka, follower)
        await until(lambda: follower.table.reader is not None)
        assert follower.content() == stores
        reader = follower.table.reader
        assert reader is not None
        assert [row.values["n"] for row in reader.get(b"a")] == [3]

    run(kafka, tmp_path, body)


def test_an_owner_that_becomes_a_follower_keeps_its_store(broker: Broker, tmp_path: Path) -> None:
    """It reads on from its last write; and it takes the partition back with its claim alone."""

    async def body(owner: Host, other: Host) -> None:
        await owner.own()
        for write in range(10):
            await owner.fold("a", 1, write)
        await other.own()
        await other.fold("b", 1, 11)
        began = owner.table.local_store.offset()
        owner.follow()
        await owner.at_end()
        assert began is not None
        assert owner.content() == await asyncio.to_thread(as_logged, broker, owner)
        await owner.following.stop()
        assert await owner.own()
        assert owner.table.restored == 1

    run(broker, tmp_path, body)


@pytest.mark.parametrize("seen", [False, True], ids=["behind its back", "under its eyes"])
def test_a_changelog_made_anew_is_followed_from_its_beginning(broker: Broker, tmp_path: Path, seen: bool) -> None:  # noqa: FBT001 - a parameter
    """Nothing of the deleted topic stays, though the new one is longer than what was read."""

    async def body(owner: Host, follower: Host) -> None:
        await owner.own()
        await owner.fold("old", 1, 1)
        follower.follow()
        await follower.at_end()
        if not seen:
            await follower.following.stop()
        await remake(owner.client, owner.table_plan.changelog)
        again = Host(owner.client, owner.plan.declaration.app, tmp_path / "again")
        await again.own()
        for write in range(20):
            await again.fold("new", 1, write)
        follower.follow()
        wanted = await asyncio.to_thread(as_logged, broker, again)
        await until(lambda: follower.table.local is not None and follower.content() == wanted)
        await follower.at_end()
        assert follower.content() == wanted
        await again.close()

    run(broker, tmp_path, body)


@pytest.mark.kafka
def test_a_log_that_lost_its_beginning_makes_no_follower(kafka: KafkaCluster, tmp_path: Path) -> None:
    """What it would know is a part; it says so, is never ready, and the owner's own store is the one that counts."""

    async def body(owner: Host, follower: Host) -> None:
        await owner.own()
        for write in range(10):
            await owner.fold(f"host-{write}", 1, write)
        admin = AIOKafkaAdminClient(**owner.client.settings)
        await admin.start()
        gone = {TopicPartition(owner.table_plan.changelog, 0): RecordsToDelete(before_offset=9)}
        await admin.delete_records(gone)
        await admin.close()
        follower.follow()
        (each,) = follower.following.followers.values()
        await until(lambda: "needs all from" in each.reason)
        await follower.following.stop()
        each.reason = ""
        each.start()  # with the part that its store has by now
        await until(lambda: "needs all from" in each.reason)
        assert follower.table.store is not None
        assert follower.table.store.offset() is not None
        assert not each.ready
        assert follower.following.caught_up() == {}

    run(kafka, tmp_path, body, cleanup_policy="compact,delete")


def test_nothing_is_followed_faster_than_half_of_the_time(tmp_path: Path) -> None:
    """With partitions of its own, the worker rests as long as it followed; without, it does not rest."""

    async def body() -> None:
        host = Host(Client({"bootstrap_servers": "127.0.0.1:1"}), "pace", tmp_path)
        began = time.monotonic()
        await host.following.rest(0.2)
        assert time.monotonic() - began < 0.1
        host.partitions = {"one": None}
        await host.following.rest(0.2)
        assert time.monotonic() - began >= 0.2

    asyncio.run(body())
