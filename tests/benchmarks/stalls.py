"""How long the event loops of a worker are held: a task that sleeps, and looks how late it wakes.

The main loop runs the tables, the other the consumer with its heartbeats. Waiting for a core that another process
has is told apart from work by the CPU time of the thread.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

SLEEP = 0.01
"""Seconds between two looks: at 5 ms, looking took a twentieth of the core at 50,000 events/s. A stall that comes once
is seen short by as much at most; one that comes again and again is seen whole."""
REPORT = 1.0
"""Seconds between two reports."""


class Watch:
    """One event loop under watch.

    Attributes:
        late: the longest that it woke too late, seconds.
        busy: the most CPU time that its thread spent while it was late, seconds.
        over: how often it was late by more than 50 ms.
    """

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.late = self.busy = 0.0
        self.over = 0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            began, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(SLEEP)
            late = time.perf_counter() - began - SLEEP
            self.late, self.over = max(self.late, late), self.over + (late > 0.05)
            if late > SLEEP:
                self.busy = max(self.busy, time.thread_time() - cpu)

    def seen(self) -> dict[str, float]:
        """Return what was seen since the last call, in ms, and begin anew."""
        found = {"late": self.late * 1000, "busy": self.busy * 1000, "over": float(self.over)}
        self.__init__()  # type: ignore[misc]
        return found


def watch(app: Any, say: Callable[[str], None]) -> None:
    """Watch the main loop and the consumer's loop of an app, and say `STALLS` with a JSON object every second."""
    watches = {"main": Watch(), "consumer": Watch()}

    @app.task
    async def report() -> None:
        main = asyncio.ensure_future(watches["main"].run())
        while not app.consumer._thread.thread_loop.is_running():  # noqa: ASYNC110, SLF001 - a benchmark looks inside
            await asyncio.sleep(REPORT)
        asyncio.run_coroutine_threadsafe(watches["consumer"].run(), app.consumer._thread.thread_loop)  # noqa: SLF001
        while not main.done():
            await asyncio.sleep(REPORT)
            say("STALLS " + json.dumps({name: each.seen() for name, each in watches.items()}))
