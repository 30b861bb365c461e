"""What feeds the demo: the log, replayed at speed, and this machine's own figures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import psutil
from aiokafka import AIOKafkaProducer

from streams.demo.log import SITE, client_of

TICK = 0.05
"""Seconds between two portions of the log."""
MEASURE = 0.5
"""Seconds between two measurements of the machine."""


@dataclass
class Sources:
    """Produces the demo's input.

    Args:
        bootstrap: address of the broker.
        log: lines of the access log.
        rate: lines per second.
    """

    bootstrap: str
    log: list[bytes]
    rate: int
    sent: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Connect and begin."""
        self._producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5)
        await self._producer.start()
        self._tasks = [asyncio.create_task(self._replay()), asyncio.create_task(self._measure())]

    async def stop(self) -> None:
        """End both sources."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._producer.stop()

    @property
    def failed(self) -> BaseException | None:
        """What ended a source before its time, if anything did."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception():
                return task.exception()
        return None

    async def _replay(self) -> None:
        portion = max(1, int(self.rate * TICK))
        for start in range(0, len(self.log), portion):
            began = time.monotonic()
            for line in self.log[start : start + portion]:
                await self._producer.send("demo.access", line, key=SITE.encode())
                await self._producer.send("demo.visits", line, key=client_of(line))
            self.sent = min(start + portion, len(self.log))
            await asyncio.sleep(max(0.0, TICK - (time.monotonic() - began)))
        await self._producer.flush()

    async def _measure(self) -> None:
        while True:
            now = time.time()
            for metric, value in _figures():
                record = msgspec.json.encode({"metric": metric, "value": value, "ts": now})
                await self._producer.send("demo.machine", record, key=metric.encode())
            await asyncio.sleep(MEASURE)


def _figures() -> Iterator[tuple[str, float]]:
    yield "cpu_percent", psutil.cpu_percent()
    yield "memory_percent", psutil.virtual_memory().percent
    disk, network = psutil.disk_io_counters(), psutil.net_io_counters()
    if disk is not None:
        yield "disk_write_bytes", float(disk.write_bytes)
    yield "network_sent_bytes", float(network.bytes_sent)
