"""Carrying what the consumer's thread takes to the main loop: the thread goes on without being asked each time.

A crossing from one event loop to the other wakes a thread that then waits for the interpreter. So the thread is called
only where it waits for us: when something lies fetched of a partition whose last batch was still on its way.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from faust.types import TP

from streams.transport import fetch, pieces
from streams.transport.passing import messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.effects import Records
    from streams.transport.consumer import BatchConsumer, BatchThread

    Taken = dict[TP, Records]

TAKE_TIMEOUT = 0.25
"""Seconds that one take waits for data before it looks again at what is wanted."""
TAKE_RECORDS = 30_000
"""Records of one take of a partition: they are decoded in one turn, about; what is left is taken next."""
GATHER_BYTES = 1 << 20
GATHER_MS = 10
"""What an answer waits for, and how long at most, while input of most partitions is not worked on yet."""
BUSY_BYTES = 64 << 10
BUSY_MS = 10
"""The same while anything is worked on: an answer that came at once would wait here, and cost the broker one more. A
batch costs some 2 ms before its first event, so that smaller ones, sooner, take the time that each then waits for."""


class Pump:
    """Takes in the consumer's thread and hands over in the main one; made anew for each run.

    Args:
        consumer: says what is wanted, and takes the messages.
        thread: of the consumer.
        going: says whether to go on.
    """

    def __init__(self, consumer: BatchConsumer, thread: BatchThread, going: Callable[[], bool]) -> None:
        """Take nothing yet."""
        self._consumer, self._thread, self._going = consumer, thread, going
        self._underway: dict[TP, int] = {}
        self._starved = False

    async def run(self) -> None:
        """Hand over what comes, until it is not to go on.

        Raises:
            KafkaError: fetching failed.
            TransportError: what was fetched cannot be read.
        """
        loop, queue = asyncio.get_running_loop(), asyncio.Queue["Taken | None"]()

        def put(taken: Taken) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, taken)

        taking = asyncio.ensure_future(self._thread.in_thread(self._take_all(put)))
        taking.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (taken := await queue.get()) is not None:
                await self._hand_over(taken)
        finally:
            taking.cancel()
        await taking

    async def _hand_over(self, taken: Taken) -> None:
        """Hand messages over; only then may the thread take more of the same partitions."""
        for message in messages(self._consumer.app, taken):
            await self._consumer.hand_over(message)
        for tp in taken:
            self._underway.pop(tp, None)
        if self._starved:
            self._thread.nudge()

    # in the consumer's thread

    async def _take_all(self, put: Callable[[Taken], object]) -> None:
        while self._going():
            if taken := await self._take():
                self._underway.update((tp, records.size()) for tp, records in taken.items())
                put(taken)

    async def _take(self) -> Taken:
        """Return what was fetched of the wanted partitions; nothing after `TAKE_TIMEOUT` seconds without data."""
        fetcher = self._thread._ensure_consumer()._fetcher
        settings = self._consumer.fetch_settings
        fetch.keep(fetcher, self._consumer.batch_topics)
        fetch.ask(fetcher, settings["fetch_min_bytes"], settings["fetch_max_wait_ms"], self._consumer.running)
        pieces.widen(fetcher._client)
        deadline = time.monotonic() + TAKE_TIMEOUT
        with fetcher._subscriptions.fetch_context():
            while True:
                found = self._found(fetcher)
                left = deadline - time.monotonic()
                if found or left <= 0 or not self._going():
                    return {TP(tp.topic, tp.partition): records for tp, records in found.items()}
                await self._thread.fetched(fetcher, left)

    def _found(self, fetcher: Any) -> Any:
        """Return what there is; then `_starved` says whether there is more that may not be taken yet.

        It stands while we look: what is handed over meanwhile may be seen or not, but then the thread is called.
        """
        self._starved = True
        underway, consumer = dict(self._underway), self._consumer
        room = consumer.room() - sum(underway.values())
        tps: Any = consumer.wanted() - underway.keys() if room > 0 else ()
        bounds = consumer.max_take_bytes, TAKE_RECORDS
        found = fetch.take(fetcher, tps, *bounds, max_batch_bytes=consumer.max_batch_bytes, room=room)
        self._starved = room <= 0 or not underway.keys().isdisjoint(fetcher._records)
        self._gather(fetcher)
        return found

    def _gather(self, fetcher: Any) -> None:
        """Say how much the next fetch waits for, and may bring: where there is work already, the broker gathers."""
        settings = self._consumer.fetch_settings
        least, wait = settings["fetch_min_bytes"], settings["fetch_max_wait_ms"]
        if self._consumer.behind():
            least, wait = max(least, GATHER_BYTES), min(wait, GATHER_MS)
        elif self._consumer.busy():
            least, wait = max(least, BUSY_BYTES), min(wait, BUSY_MS)
        fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = least, wait
        fetcher._max_partition_fetch_bytes = self._consumer.max_fetch_bytes or settings["max_partition_fetch_bytes"]
