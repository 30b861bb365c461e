"""How the partitions of one worker share its event loop: who computes."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from streams.runtime.ending import ended

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from types import TracebackType

T = TypeVar("T")

PASSES = 8
"""Passes of the event loop between two computations: in them, what has been acknowledged goes on its way."""
_step: ContextVar[int | None] = ContextVar("step", default=None)


class Turn:
    """The right to decode, or to make a write: one partition has it at a time.

    A computation takes milliseconds; all else (an acknowledgement that came, an alert that may go out now) takes
    microseconds, but is woken in several passes of the event loop one after the other. So the next computation begins a
    few passes after the one before has ended: what is short does not wait for all partitions in each of its passes.

    Who waits longest is next, but a step (a batch of a backlog, that takes several turns) keeps the place that it had
    when it began. Were it last in the line after each turn, all partitions would decode, then all fold, then all write:
    all would hold what they decoded meanwhile, and the broker would have nothing to do, and then all at once. Small
    batches are no steps: while they wait, what comes meanwhile gathers to fewer and larger ones.
    """

    def __init__(self) -> None:
        """Let nobody compute."""
        self._taken = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = itertools.count(1)

    @property
    def taken(self) -> bool:
        """Whether a partition computes, or has just done so; may be asked by any thread."""
        return self._taken

    @contextmanager
    def step(self) -> Iterator[None]:
        """Keep a place in the line for all that this task does, and tasks that it makes, until the end."""
        before = _step.set(next(self._count))
        try:
            yield
        finally:
            _step.reset(before)

    async def __aenter__(self) -> None:
        """Wait for the turn."""
        if not self._taken:
            self._taken = True
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        arrived, step = next(self._count), _step.get()
        heapq.heappush(self._waiting, (arrived if step is None else step, arrived, mine))
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # it was given to us as we were cancelled
                self._release()
            raise

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
            self._release()

    def _release(self) -> None:
        while self._waiting:
            _, _, one = heapq.heappop(self._waiting)
            if not one.done():
                one.set_result(None)
                return
        self._taken = False


async def gathered(work: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """Await all; where one fails the others are cancelled and awaited too, so that nothing goes on behind our back."""
    if len(work) == 1:
        return [await work[0]]
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await ended(*tasks)
