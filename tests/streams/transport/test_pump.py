"""What the consumer's thread takes reaches the main loop, one batch of a partition at a time; one loop plays both."""

# ruff: noqa: SLF001 - aiokafka's fetcher is private, and it is what the pump drives
from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.transport import pump
from streams.transport.bell import Bell
from streams.transport.pump import BUSY_BYTES, BUSY_MS, GATHER_BYTES, GATHER_MS, Pump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

A, B = TP("in", 0), TP("in", 1)


class Item(str):
    """What was fetched at once; it takes a byte for each character."""

    __slots__ = ()

    def size(self) -> int:
        """Return the bytes."""
        return len(self)


class Source:
    """A consumer and its thread: `fetched` is what lies ready by partition, `given` what was handed over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ready: dict[TP, deque[Item]] = {A: deque(), B: deque()}
        self.given: list[dict[TP, str]] = []
        self.calls = 0
        self.failure: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.lag = self.active = False
        self.most = 1_000
        self.app = None
        self.batch_topics = frozenset({"in"})
        self.max_take_bytes = self.max_batch_bytes = 1
        self.fetch_settings = {"fetch_min_bytes": 1, "fetch_max_wait_ms": 500, "max_partition_fetch_bytes": 7}
        self.max_fetch_bytes: int | None = None
        self.fetcher = SimpleNamespace(
            _client=None, _records={}, _subscriptions=SimpleNamespace(fetch_context=_nothing)
        )
        self._bell = Bell()
        monkeypatch.setattr(pump.fetch, "take", self.take)
        monkeypatch.setattr(pump.fetch, "keep", lambda *_: None)
        monkeypatch.setattr(pump.fetch, "ask", lambda *_: None)
        monkeypatch.setattr(pump.pieces, "widen", lambda *_: None)
        monkeypatch.setattr(pump, "messages", lambda _, taken: [taken])

    # the consumer

    def wanted(self) -> set[TP]:
        """Want everything."""
        return {A, B}

    running = wanted

    def behind(self) -> bool:
        """Say what the test says."""
        return self.lag

    def busy(self) -> bool:
        """Say what the test says."""
        return self.active

    def room(self) -> int:
        """Return what may still come beside all that was handed over."""
        return self.most - sum(len(what) for taken in self.given for what in taken.values())

    def asked(self) -> tuple[int, int, int]:
        """Return what the next fetch waits for, bytes and ms, and may bring of a partition."""
        fetcher = self.fetcher
        return fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms, fetcher._max_partition_fetch_bytes

    async def hand_over(self, taken: Any) -> None:
        """Keep what comes, when the gate is open."""
        await self.open.wait()
        self.given.append(taken)

    # the thread

    def _ensure_consumer(self) -> Any:
        return SimpleNamespace(_fetcher=self.fetcher)

    async def in_thread(self, work: Any) -> Any:
        """Run it here."""
        return await work

    def nudge(self) -> None:
        """Count the call, and wake."""
        self.calls += 1
        self._bell.ring()

    async def fetched(self, fetcher: Any, seconds: float) -> None:
        """Wait until more is ready, or somebody calls."""
        del fetcher
        await self._bell.wait(seconds)

    # the broker

    def put(self, tp: TP, what: str) -> None:
        """Let something be fetched."""
        self.ready[tp].append(Item(what))
        self.fetcher._records[tp] = self.ready[tp]
        self._bell.ring()

    def take(self, fetcher: Any, tps: set[TP], *_: Any, room: int, **__: Any) -> dict[TP, Item]:
        """Give the first of each of these partitions, as long as there is room."""
        if self.failure is not None:
            raise self.failure
        found: dict[TP, Item] = {}
        for tp in sorted(tps):
            if self.ready[tp] and sum(map(len, found.values())) < room:
                found[tp] = self.ready[tp].popleft()
        for tp in found:
            if not self.ready[tp]:
                del fetcher._records[tp]
        return found


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def played(monkeypatch: pytest.MonkeyPatch, script: Callable[[Source, asyncio.Task[None]], Any]) -> Source:
    """Let a pump run beside a script, and return its source."""

    async def play() -> Source:
        source, going = Source(monkeypatch), True
        running = asyncio.create_task(Pump(source, source, lambda: going).run())  # type: ignore[arg-type]
        async with asyncio.timeout(10):
            await script(source, running)
            going = False
            source.nudge()
            if not running.done():
                await running
        return source

    return asyncio.run(play())


async def settled() -> None:
    """Let everything happen that happens without us."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_partition_is_on_its_way_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a batch is handed over no other of its partition is taken; those of others are."""

    async def script(source: Source, _: asyncio.Task[None]) -> None:
        source.open.clear()
        source.put(A, "a1")
        await settled()
        source.put(A, "a2")
        source.put(B, "b1")
        await settled()
        assert (list(source.ready[A]), list(source.ready[B])) == (["a2"], [])
        source.open.set()
        await settled()

    source = played(monkeypatch, script)
    assert source.given == [{A: "a1"}, {B: "b1"}, {A: "a2"}]


def test_the_thread_is_called_only_where_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches that come one at a time need no call; one that came too early does."""

    async def script(source: Source, _: asyncio.Task[None]) -> None:
        for number in range(5):
            source.put(A, f"a{number}")
            await settled()
        assert source.calls == 0
        source.open.clear()
        source.put(A, "early")
        await settled()
        source.put(A, "earlier")
        await settled()
        source.open.set()
        await settled()
        assert source.calls == 1

    source = played(monkeypatch, script)
    assert [each[A] for each in source.given] == ["a0", "a1", "a2", "a3", "a4", "early", "earlier"]


def test_what_came_before_a_failure_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the thread ends the run, behind all that was taken before it."""

    async def script(source: Source, running: asyncio.Task[None]) -> None:
        source.open.clear()
        source.put(A, "a1")
        await settled()
        source.put(B, "b1")
        await settled()
        source.failure = KafkaError("gone")
        source.nudge()
        await settled()
        source.open.set()
        with pytest.raises(KafkaError, match="gone"):
            await running

    assert played(monkeypatch, script).given == [{A: "a1"}, {B: "b1"}]


def test_a_cancelled_run_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fetched after the end stays with the fetcher, for the next run."""

    async def script(source: Source, running: asyncio.Task[None]) -> None:
        await settled()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        source.put(A, "a1")
        await settled()

    source = played(monkeypatch, script)
    assert source.given == []
    assert list(source.ready[A]) == ["a1"]


def test_the_broker_gathers_for_those_that_have_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where most input waits, the next fetch waits for much, a few ms; where some work is done, for less.

    Else for nothing. What the settings say is kept where it is larger, or sooner.
    """
    seen = []

    async def script(source: Source, _: asyncio.Task[None]) -> None:
        for lag, active, least in ((True, True, 1), (False, True, 1), (False, False, 1), (False, True, BUSY_BYTES + 1)):
            source.lag, source.active, source.max_fetch_bytes = lag, active, 9 if lag else None
            source.fetch_settings["fetch_min_bytes"] = least
            source.put(A, "a")
            await settled()
            seen.append(source.asked())

    played(monkeypatch, script)
    busy = (BUSY_BYTES + 1, BUSY_MS, 7)
    assert seen == [(GATHER_BYTES, GATHER_MS, 9), (BUSY_BYTES, BUSY_MS, 7), (1, 500, 7), busy]


def test_a_quiet_topic_is_not_asked_every_few_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last records of a busy moment are followed by silence: the fetch after next waits as long as it may."""
    seen = []

    async def script(source: Source, _: asyncio.Task[None]) -> None:
        source.active = True
        source.put(A, "a")
        await settled()
        source.active = False
        source.nudge()
        await settled()
        seen.append(source.asked())

    played(monkeypatch, script)
    assert seen == [(1, 500, 7)]


def test_no_more_is_taken_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on its way counts too; the rest is taken as soon as there is room again, without waiting for a fetch."""
    monkeypatch.setattr(pump, "TAKE_TIMEOUT", 100.0)
    left = []

    async def script(source: Source, _: asyncio.Task[None]) -> None:
        source.most = 1
        source.open.clear()
        for number in range(2):
            source.put(A, f"{number}")
            source.put(B, f"{number}")
        await settled()
        left.append((len(source.ready[A]), len(source.ready[B])))
        source.open.set()
        for _ in range(4):
            await settled()
            left.append((len(source.ready[A]), len(source.ready[B])))
            source.given.clear()
            source.nudge()

    played(monkeypatch, script)
    assert left == [(1, 2), (1, 2), (0, 2), (0, 1), (0, 0)]


def test_room_that_what_is_on_its_way_took_is_used_when_that_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else would say that there is room again: it was never handed over when it was short."""
    monkeypatch.setattr(pump, "TAKE_TIMEOUT", 100.0)

    async def script(source: Source, _: asyncio.Task[None]) -> None:
        monkeypatch.setattr(source, "room", lambda: 1)
        source.open.clear()
        source.put(A, "a")
        await settled()
        source.put(B, "b")
        await settled()
        source.open.set()
        await settled()
        assert source.given == [{A: "a"}, {B: "b"}]

    played(monkeypatch, script)
