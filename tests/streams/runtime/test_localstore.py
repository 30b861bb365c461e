"""A local store that is filled behind its partition: nothing is missed, nothing is ahead, wherever it stops."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Self

import pytest

from streams.runtime import localstore
from streams.runtime.localstore import LocalStore
from streams.runtime.restoring import Turns
from streams.transport.errors import ReadFailed
from tables.chunk import Chunk
from tables.records import PROGRESS, Progress, Record
from tables.store import MemoryStore, StoreFull

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path


class Log:
    """A changelog in memory that grows; each write is read as a whole."""

    def __init__(self, writes: int) -> None:
        """Begin with some writes."""
        self.records: list[Record] = []
        self.edges = [0]
        self.failures = self.earliest = 0
        self.hold: asyncio.Event | None = None
        self.leaving, self.leave = asyncio.Event(), asyncio.Event()
        self.leave.set()
        for _ in range(writes):
            self.append()

    def append(self) -> tuple[list[Record], int]:
        """Append a write, and return it with the offset after it."""
        n = len(self.edges)
        write = [Record(b"k%d" % (n % 7), b"%d" % n), Record(b"gone%d" % (n % 3), None if n % 2 else b"x")]
        write.append(Record(PROGRESS, Progress(n).encode()))
        self.records += write
        self.edges.append(len(self.records))
        return write, len(self.records)

    async def __aenter__(self) -> Self:
        """Connect."""
        return self

    async def __aexit__(self, *error: object) -> None:
        """Disconnect, which may take a while."""
        self.leaving.set()
        await self.leave.wait()

    async def read(self, start: int | None, until: int) -> AsyncIterator[Chunk]:
        """Yield write by write."""
        position = start or 0
        while position < until:
            if self.hold is not None:
                await self.hold.wait()
            if self.failures:
                self.failures -= 1
                raise ReadFailed("the broker is away")
            end = next(edge for edge in self.edges if edge > position)
            part = self.records[position:end]
            yield Chunk.of([each.key for each in part], [each.value for each in part], end, position)
            position = end
            await asyncio.sleep(0)

    def content(self, end: int | None = None) -> dict[bytes, bytes]:
        """Return what the log says up to an offset."""
        store = MemoryStore()
        store.write(self.records[:end])
        return dict(store.scan(b""))


class Filled:
    """A local store over such a log, and whether it said that it has everything."""

    def __init__(self, log: Log, store: MemoryStore | None = None) -> None:
        """Begin to fill."""
        self.log, self.store = log, store or MemoryStore()
        self.local = LocalStore(self.store, "t-0")
        self.done = asyncio.Event()
        reader: Any = log
        self.local.fill(lambda: reader, len(log.records), Turns(), 60.0, self.done.set)

    def write(self) -> None:
        """Write to the log, then to the store."""
        self.local.write(*self.log.append())

    def check(self) -> None:
        """See that the store is what the log says at the store's offset."""
        offset = self.store.offset()
        assert dict(self.store.scan(b"")) == (self.log.content(offset) if offset else {})


def run(body: Any) -> None:
    """Run a test."""
    asyncio.run(asyncio.wait_for(body(), 30))


def test_it_has_everything_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: whatever is written while it is filled, and however much of it is dropped from the queue, is there."""
    monkeypatch.setattr(localstore, "QUEUE_BYTES", 60)

    async def body() -> None:
        chance = random.Random(4)  # noqa: S311 - a schedule
        for _ in range(20):
            filled = Filled(Log(chance.randrange(1, 30)))
            for _ in range(chance.randrange(40)):
                if chance.random() < 0.5:
                    filled.write()
                await asyncio.sleep(0)
                filled.check()
            await filled.done.wait()
            assert not filled.local.behind
            filled.write()
            filled.check()
            assert filled.store.offset() == len(filled.log.records)
            await filled.local.close()

    run(body)


def test_what_is_written_while_the_reader_disconnects_is_not_passed_over() -> None:
    """Rule: the store has every write, also one between the last that was read and the end of the filling."""

    async def body() -> None:
        log = Log(5)
        log.leave.clear()
        filled = Filled(log)
        await log.leaving.wait()
        filled.write()
        log.leave.set()
        await filled.done.wait()
        filled.check()
        filled.write()
        filled.check()
        assert filled.store.offset() == len(log.records)

    run(body)


def test_wherever_it_is_stopped_the_store_is_whole_up_to_its_offset() -> None:
    """Rule: a partition that is taken away in the middle leaves a store that goes on from there."""

    async def body() -> None:
        for steps in range(0, 60, 3):
            filled = Filled(Log(25))
            for _ in range(steps):
                await asyncio.sleep(0)
            filled.write()
            await filled.local.close()
            filled.check()
            again = Filled(filled.log, filled.store)
            await again.done.wait()
            again.check()
            assert again.store.offset() == len(again.log.records)

    run(body)


def test_a_changelog_that_cannot_be_read_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule: a broker that is away does not stop the partition; the store is filled when it is back."""
    monkeypatch.setattr(localstore, "AGAIN_SECONDS", 0.01)

    async def body() -> None:
        log = Log(5)
        log.failures = 2
        filled = Filled(log)
        filled.write()
        await filled.done.wait()
        filled.check()
        assert caplog.text.count("is not filled yet: the broker is away") == 2

    run(body)


def test_a_disk_that_is_full_stops_the_next_write(tmp_path: Path) -> None:
    """Rule: what the filling could not do is the error of the partition."""

    class Full(MemoryStore):
        def fill(self, records: Sequence[Record], offset: int) -> None:
            del records, offset
            raise StoreFull(tmp_path, "there is no space left", "free some")

    async def body() -> None:
        filled = Filled(Log(5), Full())
        while not filled.local.stopped:  # noqa: ASYNC110 - plain attributes
            await asyncio.sleep(0.001)
        with pytest.raises(StoreFull, match="free some"):
            filled.write()
        assert not filled.done.is_set()
        await filled.local.close()

    run(body)


def test_stores_are_filled_one_at_a_time_when_nobody_restores() -> None:
    """Rule: a restore goes before a filling, and two fillings one after the other."""

    async def body() -> None:
        turns, order = Turns(2), list[str]()

        async def restore(name: str) -> None:
            async with turns.restoring():
                order.append(name)
                await asyncio.sleep(0.01)

        async def fill(name: str) -> None:
            async with turns.filling():
                order.append(f"{name} begins")
                await asyncio.sleep(0.01)
                order.append(f"{name} ends")

        await asyncio.gather(*(restore(name) for name in "abc"), fill("x"), fill("y"))
        assert order == ["a", "b", "c", "x begins", "x ends", "y begins", "y ends"]

    run(body)
