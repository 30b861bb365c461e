"""Waking what waits in an event loop, without a task for it."""

from __future__ import annotations

import asyncio


class Bell:
    """Wakes the one that waits, or lets the next wait return at once.

    `asyncio.wait_for` with an event does the same with a task, and so three passes of the event loop later.
    """

    def __init__(self) -> None:
        """Be silent."""
        self._rung = False
        self._waiter: asyncio.Future[bool] | None = None

    def ring(self) -> None:
        """Wake who waits."""
        self._rung = True
        self._wake(rung=True)

    def _wake(self, *, rung: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(rung)

    async def wait(self, seconds: float) -> bool:
        """Return whether it was rung since the last call, or is within so many seconds; one waits at a time."""
        if not self._rung:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(seconds, lambda: self._wake(rung=False))
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        rung, self._rung = self._rung, False
        return rung
