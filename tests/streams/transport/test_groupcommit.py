"""What waits for a partition goes together: in order, once, and nobody answers for another's events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams.effects import Event
from streams.transport.errors import TooLarge, WriteFailed
from streams.transport.groupcommit import GroupCommit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

LIMIT = 100


class Log:
    """A partition that takes one write at a time, when it is told to."""

    def __init__(self) -> None:
        self.writes: list[list[bytes]] = []
        self.sizes: list[int] = []
        self.errors: list[Exception | None] = []
        self.open = asyncio.Event()
        self.busy = False
        self.line = GroupCommit(self.write)

    async def write(self, events: Sequence[Event], size: int) -> None:
        """Take a write when `open` is set, and answer with the next of `errors`."""
        assert not self.busy
        self.busy = True
        try:
            await self.open.wait()
        finally:
            self.busy = False
        self.writes.append([event.value or b"" for event in events])
        self.sizes.append(size)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error

    def send(self, *values: bytes, size: int = 10) -> asyncio.Task[None]:
        """Begin to send events with these values, of `size` bytes together."""
        return asyncio.create_task(self.line.send([Event("t", None, value) for value in values], size, LIMIT))


def drive(body: Callable[[Log], Coroutine[None, None, None]]) -> None:
    """Run `body(log)`; nothing may hang."""

    async def main() -> None:
        async with asyncio.timeout(10):
            await body(Log())

    asyncio.run(main())


async def settle() -> None:
    """Let every task run as far as it gets."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_waits_goes_together_in_order() -> None:
    """The first goes alone, all that came meanwhile in one write, in the order in which they came."""

    async def body(log: Log) -> None:
        tasks = [log.send(b"a")]
        await settle()
        tasks += [log.send(b"b", b"c"), log.send(b"d"), log.send(b"e")]
        await settle()
        assert not any(task.done() for task in tasks)
        log.open.set()
        await asyncio.gather(*tasks)
        assert log.writes == [[b"a"], [b"b", b"c", b"d", b"e"]]

    drive(body)


def test_a_group_is_no_larger_than_the_limit_unless_one_alone_is() -> None:
    """Parts of 60, 30, 30 and 300 bytes with a limit of 100: two, one, and the large one by itself."""

    async def body(log: Log) -> None:
        log.open.set()
        await asyncio.gather(log.send(b"a", size=60), log.send(b"b", size=30), log.send(b"c", size=30),
                             log.send(b"d", size=300))  # fmt: skip
        assert log.writes == [[b"a", b"b"], [b"c"], [b"d"]]
        assert log.sizes == [90, 30, 300]

    drive(body)


def test_a_failed_write_is_the_failure_of_all_in_it_and_of_nobody_else() -> None:
    """Whoever was in the group is told, the next group is written."""

    async def body(log: Log) -> None:
        log.errors = [WriteFailed("lost")]
        tasks = [log.send(b"a"), log.send(b"b")]
        await settle()
        tasks.append(log.send(b"c"))
        log.open.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in found] == [WriteFailed, WriteFailed, type(None)]
        assert log.writes == [[b"a", b"b"], [b"c"]]

    drive(body)


def test_an_event_that_is_refused_for_its_size_fails_alone() -> None:
    """Of three in a group the second is too large for the broker: the others are written."""

    async def body(log: Log) -> None:
        log.errors = [TooLarge("together"), None, TooLarge("b"), None]
        log.open.set()
        found = await asyncio.gather(log.send(b"a"), log.send(b"b"), log.send(b"c"), return_exceptions=True)
        assert [str(each) for each in found] == ["None", "b", "None"]
        assert log.writes == [[b"a", b"b", b"c"], [b"a"], [b"b"], [b"c"]]

    drive(body)


def test_whoever_is_cancelled_before_its_turn_is_left_out() -> None:
    """Its events are not sent, and the others do not wait for it."""

    async def body(log: Log) -> None:
        first = log.send(b"a")
        await settle()
        gone, last = log.send(b"b"), log.send(b"c")
        await settle()
        gone.cancel()
        await settle()
        log.open.set()
        await asyncio.gather(first, last)
        assert gone.cancelled()
        assert log.writes == [[b"a"], [b"c"]]

    drive(body)


def test_a_write_ends_with_the_last_who_waits_for_it() -> None:
    """One of two is cancelled: the write goes on; both are: it is cancelled, and the next group is written."""

    async def body(log: Log) -> None:
        tasks = [log.send(b"a"), log.send(b"b")]
        await settle()
        later = log.send(b"c")
        tasks[0].cancel()
        await settle()
        assert log.busy
        tasks[1].cancel()
        log.open.set()
        await later
        assert log.writes == [[b"c"]]

    drive(body)


@pytest.mark.parametrize("count", [1, 5])
def test_a_write_that_is_cancelled_from_outside_hangs_nobody(count: int) -> None:
    """The loop ends while a write waits: those in its group are cancelled with it."""

    async def body(log: Log) -> None:
        tasks = [log.send(b"%d" % number) for number in range(count)]
        await settle()
        assert log.line._task is not None  # noqa: SLF001 - a task that only the loop's end cancels
        log.line._task.cancel()  # noqa: SLF001 - as above
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)

    drive(body)
