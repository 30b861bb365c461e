"""Partitions over a real changelog: what they keep over a rebalance, and how they come back from failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from faust.types import TP

from streams.effects import Records
from streams.load import loads
from streams.plan import plan
from streams.runtime import holding
from streams.runtime.partition import InputPartition, State
from streams.runtime.runtime import Runtime
from streams.runtime.table import TablePartition
from streams.settings import KafkaSettings
from streams.transport import topics
from streams.transport.client import Client
from tables.store import StoreCorrupt, StoreFull
from tests.brokers import KafkaCluster

pytestmark = pytest.mark.kafka
TEXT = """
app: {app}
streams:
  hits: {{topic: {app}.hits, codec: json, time: ts, key: host, idle: never}}
tables:
  totals: {{from: hits, key: host, aggregates: {{n: count(), total: sum("v")}}}}
"""
BASE = 1_700_000_000_000
BATCH = 10
HOSTS = 7


class Input:
    """The worker's consumer, over `last` records instead of a topic; it loses what it is told to lose."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.last = self.position = self.begin = 0
        self.released: int | None = None
        self.starts: list[int] = []
        self.lose = 0

    def nudge(self) -> None:
        """Do nothing: the feeder looks by itself."""

    async def committed(self, tp: TP) -> int | None:
        """Return what was released."""
        del tp
        return self.released

    async def beginning(self, tp: TP) -> int:
        """Return the first offset that is left."""
        del tp
        return self.begin

    async def start_at(self, tp: TP, offset: int) -> None:
        """Seek."""
        del tp
        self.starts.append(offset)
        self.position = offset

    def release(self, tp: TP, hi: int) -> None:
        """Commit at once."""
        del tp
        self.released = hi

    def committed_here(self, tp: TP) -> int | None:
        """Return what was released."""
        del tp
        return self.released

    def caught_up(self, tp: TP, position: int) -> None:
        """Return that nothing is known: the input is never silent."""

    def highwater(self, tp: TP) -> int | None:
        """Return the end."""
        del tp
        return self.last

    async def end(self, tp: TP) -> int:
        """Return the end."""
        del tp
        return self.last

    def next(self) -> Records:
        """Return the next batch."""
        lo = max(self.position, self.begin)
        hi = self.position = min(lo + BATCH, self.last)
        values = [b'{"host":"h%d","ts":%d,"v":%d}' % (o % HOSTS, BASE + o, o) for o in range(lo, hi)]
        return Records(lo, hi, np.arange(lo, hi), np.full(hi - lo, BASE), list(values), [None] * (hi - lo))


class Bench:
    """One partition of one worker, fed from an `Input`, over a changelog on a real broker."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        """Plan; nothing runs yet."""
        self.input = Input()
        self.plan = plan(loads(TEXT.format(app=f"p{uuid4().hex[:8]}")))
        self.settings = KafkaSettings(bootstrap_servers=(bootstrap,), client_id="bench")
        conf, assignor = SimpleNamespace(canonical_url="http://worker"), SimpleNamespace()
        app = SimpleNamespace(consumer=self.input, conf=conf, assignor=assignor)
        self.runtime = Runtime(app, self.plan, self.settings, folder)
        self.runtime.fenced_pause = 0.1
        self.tp = TP(next(iter(self.plan.streams.values())).stream.topic, 0)

    async def run(self, test: Callable[[Bench], Awaitable[None]]) -> None:
        """Run a test while the input is fed."""
        client = await Client(self.settings.aiokafka()).start()
        for topic in (self.tp.topic, self.plan.tables["totals"].changelog, self.plan.dead_letters):
            await topics.ensure(client, topic, 1)
        self.runtime.counts = dict.fromkeys(self.plan.streams, 1)
        await self.runtime.start(client)
        feeding = asyncio.create_task(self._feed())
        try:
            self.runtime.assigned({self.tp})
            await test(self)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            await self.runtime.stop()

    async def _feed(self) -> None:
        while True:
            await asyncio.sleep(0.002)
            if self.input.position < self.input.last and self.tp in self.runtime.wanted():
                records = self.input.next()
                self.input.lose -= 1
                if self.input.lose != 0:
                    self.runtime.accept(self.tp, records)

    @property
    def partition(self) -> InputPartition:
        """The partition."""
        return self.runtime.partitions[self.tp]

    @property
    def table(self) -> TablePartition:
        """Its table."""
        return self.partition.tables[0]

    async def read_to(self, end: int) -> None:
        """Let the input grow, and wait until all of it is folded and written."""
        self.input.last = end
        async with asyncio.timeout(30):
            while not (self.input.released == end and self.partition.state is State.RUNNING):  # noqa: ASYNC110 - plain attributes
                await asyncio.sleep(0.002)

    def totals(self) -> dict[str, tuple[int, int]]:
        """Return what the local store says."""
        assert self.table.reader is not None
        rows = self.table.reader.latest(limit=100).rows
        return {row.key.decode(): (row.values["n"], row.values["total"]) for row in rows}


def counted(offsets: Iterable[int]) -> dict[str, tuple[int, int]]:
    """Count the records at these offsets."""
    found: dict[str, tuple[int, int]] = {}
    for offset in offsets:
        n, total = found.get(f"h{offset % HOSTS}", (0, 0))
        found[f"h{offset % HOSTS}"] = n + 1, total + offset
    return found


@pytest.fixture
def bench(kafka: KafkaCluster, tmp_path: Path) -> Bench:
    """Return a partition over the common broker."""
    return Bench(kafka.bootstrap, tmp_path)


def test_memory_is_kept_over_a_rebalance_if_nobody_else_wrote(bench: Bench) -> None:
    """Where only we wrote, a rebalance restores nothing; where another claimed, the state is read again."""

    async def test(bench: Bench) -> None:
        await bench.read_to(95)
        engine = bench.table.engine
        await bench.runtime.drained()
        bench.runtime.assigned({bench.tp})
        await bench.read_to(150)
        assert bench.table.engine is engine
        await bench.runtime.drained()
        await bench.runtime.writer(bench.table.plan, 0).claim()
        bench.runtime.assigned({bench.tp})
        await bench.read_to(222)
        assert bench.table.engine is not engine
        assert bench.totals() == counted(range(222))

    asyncio.run(bench.run(test))


async def hold(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the partition fold more than it writes."""
    await bench.read_to(50)
    monkeypatch.setattr(holding, "SOON", 600.0)
    bench.input.last = 95
    async with asyncio.timeout(30):
        while bench.partition.position < 95:  # noqa: ASYNC110 - plain attributes
            await asyncio.sleep(0.002)
    assert bench.table.engine.held
    assert bench.input.released == 50


def test_what_is_held_is_written_before_a_rebalance(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause writes what waits for more, and releases it; the memory goes on from there."""

    async def test(bench: Bench) -> None:
        await hold(bench, monkeypatch)
        engine = bench.table.engine
        await bench.runtime.drained()
        assert bench.input.released == 95
        assert not engine.held
        assert bench.totals() == counted(range(95))
        bench.runtime.assigned({bench.tp})
        monkeypatch.undo()
        await bench.read_to(150)
        assert bench.table.engine is engine
        assert bench.totals() == counted(range(150))

    asyncio.run(bench.run(test))


def test_what_is_held_is_folded_again_where_it_was_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that is taken away in the middle leaves what it held to the next one, from the last offset on."""

    async def test(bench: Bench) -> None:
        await hold(bench, monkeypatch)
        engine = bench.table.engine
        await bench.partition.close()
        monkeypatch.undo()
        bench.partition.start()
        await bench.read_to(150)
        assert bench.table.engine is not engine
        assert bench.totals() == counted(range(150))

    asyncio.run(bench.run(test))


def test_a_fenced_partition_that_is_still_ours_comes_back(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A claim by another stops our next write; while the group leaves the partition to us, we claim it back."""

    async def test(bench: Bench) -> None:
        await bench.read_to(50)
        await bench.runtime.writer(bench.table.plan, 0).claim()
        await bench.read_to(120)
        assert "another worker took over" in caplog.text
        assert bench.totals() == counted(range(120))

    asyncio.run(bench.run(test))


@pytest.mark.parametrize("kind", [StoreFull, StoreCorrupt])
def test_a_store_that_fails_stops_the_partition_until_it_does_not(
    bench: Bench, kind: type[StoreFull | StoreCorrupt], caplog: pytest.LogCaptureFixture
) -> None:
    """Full or damaged: the partition says so, and goes on from the changelog when the store can be written."""

    async def test(bench: Bench) -> None:
        await bench.read_to(50)
        store, problem = bench.table.store, kind(bench.table.path, "it fails", "help it")
        assert store is not None

        def fail(*_: Any) -> None:
            raise problem

        store.write = fail  # type: ignore[method-assign] # the disk has no room, or the files are damaged
        await bench.read_to(130)
        assert bench.runtime.stats.failures == 1
        assert "it fails; help it" in caplog.text
        assert bench.table.store is not store
        await until_filled(bench)
        assert bench.totals() == counted(range(130))

    asyncio.run(bench.run(test))


def test_what_the_tables_have_is_committed_though_nothing_more_comes(bench: Bench) -> None:
    """Where a worker ends between its last write and the commit, the next one commits in its place."""

    async def test(bench: Bench) -> None:
        await bench.read_to(50)
        await bench.partition.close()
        bench.input.released = 20
        bench.partition.start()
        await bench.read_to(50)
        assert bench.input.starts[-1] == 50

    asyncio.run(bench.run(test))


def test_a_batch_lost_on_the_way_is_read_again(bench: Bench) -> None:
    """Faust may empty its queues: what comes behind a lost batch shows the gap, and it is read from there."""

    async def test(bench: Bench) -> None:
        await bench.read_to(30)
        bench.input.lose = 2
        await bench.read_to(110)
        assert len(bench.input.starts) == 2
        assert bench.totals() == counted(range(110))

    asyncio.run(bench.run(test))


def test_records_deleted_before_they_were_read_are_told_and_passed_over(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A topic that lost what is to be read next is read on from its beginning, and the log says what is missing."""

    async def test(bench: Bench) -> None:
        await bench.read_to(30)
        bench.input.begin = 45
        await bench.read_to(110)
        assert bench.totals() == counted([*range(30), *range(45, 110)])
        assert "offsets 30 to 44 were deleted from the topic before they were read" in caplog.text

    asyncio.run(bench.run(test))


def test_records_deleted_while_nothing_comes_are_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A topic whose retention passed what is to be read next, and which is quiet: it is said, counted, and read on."""

    async def test(bench: Bench) -> None:
        bench.runtime.answer_timeout = 0.1
        await bench.read_to(30)
        bench.input.begin = bench.input.last = bench.input.position = 45
        async with asyncio.timeout(30):
            while bench.input.starts[-1] != 45:  # noqa: ASYNC110 - plain attributes
                await asyncio.sleep(0.01)
        assert "offsets 30 to 44 were deleted from the topic before they were read" in caplog.text
        assert bench.runtime.stats.deleted == 15
        await bench.read_to(60)
        assert bench.totals() == counted([*range(30), *range(45, 60)])

    asyncio.run(bench.run(test))


@pytest.mark.parametrize("last", [0, 10, 80])
def test_a_topic_made_anew_while_it_is_read_stops_its_partition(bench: Bench, last: int) -> None:
    """Its records would be passed over as known: it is named, and while it is shorter at every later start, too."""

    async def test(bench: Bench) -> None:
        bench.runtime.answer_timeout = 0.1
        await bench.read_to(30)
        bench.input.position, bench.input.last = 0, last
        for _ in range(1 if last > 30 else 2):
            async with asyncio.timeout(30):
                while bench.partition.state is not State.FAILED:  # noqa: ASYNC110 - plain attributes
                    await asyncio.sleep(0.01)
            assert "hits-0 is not the log that was read" in bench.partition.reason
            assert "streams reset" in bench.partition.reason
            bench.runtime.assigned(set())
            await asyncio.gather(*bench.runtime._closing)  # noqa: SLF001 - until it is closed
            bench.runtime.assigned({bench.tp})
        assert bench.table.store is None or bench.totals() == counted(range(30))

    asyncio.run(bench.run(test))


def held(bench: Bench) -> asyncio.Event:
    """Let no store be filled before the event that is returned."""
    go, turn = asyncio.Event(), bench.runtime.restores.filling

    @asynccontextmanager
    async def waiting() -> AsyncIterator[None]:
        await go.wait()
        async with turn():
            yield

    bench.runtime.restores.filling = waiting  # type: ignore[method-assign] # the test says when
    return go


async def lose_store(bench: Bench) -> None:
    """Let another worker take the partition for a moment, and lose what is kept here."""
    assert bench.table.store is not None
    bench.table.store.put_aside()
    await bench.runtime.writer(bench.table.plan, 0).claim()


async def until_filled(bench: Bench) -> None:
    """Wait until the local store has everything."""
    async with asyncio.timeout(30):
        while bench.table.reader is None:  # noqa: ASYNC110 - plain attributes
            await asyncio.sleep(0.002)


def test_work_begins_before_the_store_is_filled(bench: Bench) -> None:
    """Without a store the cells come from the changelog; what is written meanwhile is in the store in the end."""

    async def test(bench: Bench) -> None:
        await bench.read_to(200)
        go = held(bench)
        await lose_store(bench)
        await bench.read_to(400)
        assert bench.table.reader is None
        assert len(bench.table.engine.cells) == HOSTS
        assert bench.table.local is not None
        assert bench.table.local.behind
        go.set()
        await until_filled(bench)
        assert bench.totals() == counted(range(400))
        await bench.read_to(500)
        assert bench.totals() == counted(range(500))

    asyncio.run(bench.run(test))


def test_a_partition_that_stops_while_its_store_is_filled_goes_on(bench: Bench) -> None:
    """Taken away in the middle, or failed, the store is whole up to its offset and the state is right."""

    async def test(bench: Bench) -> None:
        await bench.read_to(150)
        turn = bench.runtime.restores.filling
        held(bench)
        for end in (250, 350):
            await lose_store(bench)
            await bench.read_to(end)
            assert bench.table.reader is None
        bench.runtime.assigned(set())
        await asyncio.gather(*bench.runtime._closing)  # noqa: SLF001 - until it is closed
        bench.runtime.restores.filling = turn  # type: ignore[method-assign] # as it was
        bench.runtime.assigned({bench.tp})
        await bench.read_to(450)
        await until_filled(bench)
        assert bench.totals() == counted(range(450))

    asyncio.run(bench.run(test))


def test_a_store_that_has_nearly_everything_reads_the_tail_only(bench: Bench) -> None:
    """An intact store is read on from its offset; only what it lacks comes from the changelog."""

    async def test(bench: Bench) -> None:
        await bench.read_to(200)
        await bench.runtime.writer(bench.table.plan, 0).claim()
        await bench.read_to(300)
        assert bench.table.restored == 2
        assert bench.table.reader is not None
        assert bench.totals() == counted(range(300))

    asyncio.run(bench.run(test))
