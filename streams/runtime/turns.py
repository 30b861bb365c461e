"""How the partitions of one worker share its event loop: who computes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from streams.runtime.ending import ended

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from types import TracebackType

T = TypeVar("T")

PASSES = 5
"""Passes of the event loop between two computations: in them, what has been acknowledged goes on its way."""


class Turn:
    """The right to decode, or to make a write: one partition has it at a time.

    A computation takes milliseconds; all else (an acknowledgement that came, an alert that may go out now) takes
    microseconds, but is woken in several passes of the event loop one after the other. So the next computation begins a
    few passes after the one before has ended: what is short does not wait for all partitions in each of its passes.
    """

    def __init__(self) -> None:
        """Let nobody compute."""
        self._lock = asyncio.Lock()

    @property
    def taken(self) -> bool:
        """Whether a partition computes, or has just done so; may be asked by any thread."""
        return self._lock.locked()

    async def __aenter__(self) -> None:
        """Wait for the turn."""
        await self._lock.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the turn to the next, a few passes later."""
        self._pass(PASSES)

    async def next(self, work: Iterator[T]) -> T | None:
        """Return what comes next of work that is computed piece by piece, None at its end."""
        async with self:
            return next(work, None)

    def _pass(self, left: int) -> None:
        if left:
            asyncio.get_running_loop().call_soon(self._pass, left - 1)
        else:
            self._lock.release()


async def gathered(work: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """Await all; where one fails the others are cancelled and awaited too, so that nothing goes on behind our back."""
    if len(work) == 1:
        return [await work[0]]
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await ended(*tasks)
