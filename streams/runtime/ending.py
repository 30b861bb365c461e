"""Ending tasks, for certain."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

AGAIN_SECONDS = 1.0
"""After which a task that goes on is cancelled once more."""


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and return when all have ended; what they failed with is of no interest any more.

    A cancellation may be lost on its way: a timeout that runs out at the same moment takes it for its own
    (python/cpython#86296, and the module `async_timeout`). A task that goes on in spite of it would be waited for in
    vain, so it is cancelled again. If the caller is cancelled, it waits all the same.

    Raises:
        asyncio.CancelledError: the caller was cancelled meanwhile.
    """
    waiting: AbstractSet[asyncio.Task[Any]] = {task for task in tasks if not task.done()}
    cancelled = False
    while waiting:
        for task in waiting:
            task.cancel()
        try:
            await asyncio.wait(waiting, timeout=AGAIN_SECONDS)
        except asyncio.CancelledError:
            cancelled = True
        waiting = {task for task in waiting if not task.done()}
    for task in tasks:
        if not task.cancelled():
            task.exception()  # else it would be said that nobody asked for it
    if cancelled:
        raise asyncio.CancelledError
