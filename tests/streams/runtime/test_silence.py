"""What is silence, and what is not: a backlog, a broker that does not answer, and records that wait are none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from streams.effects import Write
from streams.runtime import partition
from streams.runtime.partition import InputPartition
from tests.streams.worker_bench import BASE, Bench, MemoryPartition, hit, run

IDLE = 60.0
TODAY = BASE / 1000 + 86_400
"""The log is of yesterday."""


class Clock:
    """The clocks of the runtime, set by hand; the time is the same in all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand still."""
        self.now = TODAY

        def now() -> float:
            return self.now

        monkeypatch.setattr(partition, "time", SimpleNamespace(monotonic=now, time=now, perf_counter=now))


class Broker:
    """What a fetch of the partition says: when it was answered last, and up to where there is something."""

    def __init__(self, bench: Bench) -> None:
        """Answer nothing yet."""
        self.answered: float | None = None
        self.end = 1
        bench.app.consumer.caught_up = self.caught_up  # type: ignore[method-assign, assignment] # a broker that answers

    def caught_up(self, tp: object, position: int) -> float | None:
        """Return when a fetch was answered, if nothing is beyond the position."""
        del tp
        return self.answered if self.end <= position else None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set the runtime's clocks by hand."""
    return Clock(monkeypatch)


async def ticked(bench: Bench) -> int:
    """Let a partition look at its input; return the watermark of its windowed table, s after the start."""
    looked: InputPartition = bench.partition(0)
    await looked._tick()  # noqa: SLF001 - what the runtime calls every now and then
    return (looked.tables[0].engine.progress.watermark - BASE) // 1000


def silent(test: Callable[[Bench, Broker], Awaitable[None]], folder: Path) -> None:
    """Run a test over a partition that has read one record, at 1 s."""

    async def prepared(bench: Bench) -> None:
        bench.runtime.tick_interval = 3600.0

        async def nothing(*_: object) -> None:
            """Ask no broker."""

        bench.runtime.check_partitions = nothing  # type: ignore[method-assign] # no broker
        broker = Broker(bench)
        await bench.assign(0)
        for table in bench.partition(0).tables:
            table.renew = nothing  # type: ignore[method-assign] # no broker
        await bench.feed(0, hit("a", 1))
        await test(bench, broker)

    run(prepared, folder)


def test_an_input_that_is_read_to_its_end_is_silent(clock: Clock, tmp_path: Path) -> None:
    """After `idle` the watermark goes on from where it was by the time that has passed; it never jumps to the clock."""

    async def test(bench: Bench, broker: Broker) -> None:
        for passed, watermark in ((30.0, 1), (29.9, 1), (0.1, 61), (4.0, 61)):
            clock.now += passed
            broker.answered = clock.now
            assert await ticked(bench) == watermark, "nothing that is open would close at 65 s"
        await bench.feed(0, hit("a", 70))
        clock.now += IDLE
        broker.end, broker.answered = 2, clock.now
        assert await ticked(bench) == 130

    silent(test, tmp_path)


def test_a_backlog_is_no_silence(clock: Clock, tmp_path: Path) -> None:
    """While something lies beyond what was read, no time passes; silence begins when the end is reached."""

    async def test(bench: Bench, broker: Broker) -> None:
        broker.end = 5
        for _ in range(10):
            clock.now += IDLE
            broker.answered = clock.now
            assert await ticked(bench) == 1
        broker.end = 1
        for passed, watermark in ((IDLE - 1, 1), (1, 61)):
            clock.now += passed
            broker.answered = clock.now
            assert await ticked(bench) == watermark

    silent(test, tmp_path)


def test_a_broker_that_does_not_answer_is_no_silence(clock: Clock, tmp_path: Path) -> None:
    """An outage makes nothing late: what passes before the broker answers again does not count."""

    async def test(bench: Bench, broker: Broker) -> None:
        broker.answered = clock.now
        for _ in range(10):
            clock.now += IDLE
            assert await ticked(bench) == 1
        broker.answered = clock.now
        assert await ticked(bench) == 1
        clock.now += IDLE
        broker.answered = clock.now
        assert await ticked(bench) == 61

    silent(test, tmp_path)


def test_an_advance_is_written_before_anything_follows_from_it(clock: Clock, tmp_path: Path) -> None:
    """The first write of a tick says the new watermark and nothing else; what closes is in the next."""

    async def test(bench: Bench, broker: Broker) -> None:
        writes: list[Write] = []
        table = bench.partition(0).tables[0]
        assert isinstance(table, MemoryPartition)
        deliver = table.deliver

        async def noted(write: Write) -> None:
            writes.append(write)
            await deliver(write)

        table.deliver = noted  # type: ignore[method-assign] # look at what is written
        clock.now += IDLE
        broker.answered = clock.now
        await ticked(bench)
        assert [len(write.records) for write in writes][:1] == [1]
        assert len(writes) == 2

    silent(test, tmp_path)
