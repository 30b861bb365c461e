"""What feeds the demo: the log, replayed at speed, and this machine's own figures."""

from __future__ import annotations

import asyncio
import time
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
    _producer: AIOKafkaProducer | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Connect and begin."""
        self._producer = producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5)
        await producer.start()
        self._tasks = [asyncio.create_task(self._replay(producer)), asyncio.create_task(self._measure(producer))]

    async def stop(self) -> None:
        """End both sources."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._producer is not None:
            await self._producer.stop()

    @property
    def failed(self) -> BaseException | None:
        """What ended a source before its time, if anything did."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception():
                return task.exception()
        return None

    async def _replay(self, producer: AIOKafkaProducer) -> None:
        portion = max(1, int(self.rate * TICK))
        for start in range(0, len(self.log), portion):
            began = time.monotonic()
            for line in self.log[start : start + portion]:
                await producer.send("demo.access", line, key=SITE.encode())
                await producer.send("demo.visits", line, key=client_of(line))
            self.sent = min(start + portion, len(self.log))
            await asyncio.sleep(max(0.0, TICK - (time.monotonic() - began)))
        await producer.flush()

    async def _measure(self, producer: AIOKafkaProducer) -> None:
        before, then = _moved(), time.time()
        while True:
            await asyncio.sleep(MEASURE)
            moved, now = _moved(), time.time()
            rates = {name: max(0, moved[name] - before[name]) / (now - then) for name in moved}
            for metric, value in {**_levels(), **rates}.items():
                record = msgspec.json.encode({"metric": metric, "value": value, "ts": now})
                await producer.send("demo.machine", record, key=metric.encode())
            before, then = moved, now


def _levels() -> dict[str, float]:
    return {"cpu_percent": psutil.cpu_percent(), "memory_percent": psutil.virtual_memory().percent}


def _moved() -> dict[str, int]:
    """Return bytes since the machine was started; psutil has None for a machine without disks or networks."""
    disk, network = psutil.disk_io_counters(), psutil.net_io_counters()
    return {
        "disk_read_bytes_per_second": getattr(disk, "read_bytes", 0),
        "disk_write_bytes_per_second": getattr(disk, "write_bytes", 0),
        "network_received_bytes_per_second": getattr(network, "bytes_recv", 0),
        "network_sent_bytes_per_second": getattr(network, "bytes_sent", 0),
    }
