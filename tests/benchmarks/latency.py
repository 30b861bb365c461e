"""Event to alert event: from the moment a record is handed to the producer until the alert is read from its topic."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiokafka import AIOKafkaConsumer

from streams.transport import topics
from streams.transport.client import Client
from tests.benchmarks.brokers import BROKER_CORE, WORKER_CORE
from tests.benchmarks.declarations import Declared, declaration
from tests.benchmarks.end_to_end import workers
from tests.benchmarks.measured import Measured, python
from tests.benchmarks.workload import PARTITIONS

SETTLE = 2.0
"""Seconds between the readiness of a system and the first event."""
ALERT = "alerts: [{alert: Trigger, table: load, expr: most > 5000, judge: update, labels: {severity: page}}]\n"
WARM_UP = 10.0
"""Seconds of the same traffic before what counts: a broker's code is compiled by and by, and meanwhile it stalls."""
LINGER = 5.0
"""Seconds that the last alerts may take."""


@dataclass(frozen=True)
class Latency:
    """What one run saw.

    Args:
        milliseconds: of each trigger that came through, rising.
        lost: triggers that did not.
        stalls: what the worker's event loops said, one entry per second.
    """

    milliseconds: np.ndarray
    lost: int
    stalls: list[dict[str, dict[str, float]]]

    def quantile(self, q: float) -> float:
        """Return a quantile of the latency in ms."""
        return float(np.quantile(self.milliseconds, q))

    def stall(self, loop: str, what: str = "late") -> float:
        """Return the worst of what an event loop said: `late` and `busy` in ms."""
        return max((second[loop][what] for second in self.stalls), default=0.0)


def worker_latency(bootstrap: str, name: str, rate: int, seconds: float) -> Latency:
    """Measure a worker with a rule that is judged at each update."""
    text = declaration(name, name, Declared(rules=0)) + ALERT
    return _run(bootstrap, name, rate, seconds, lambda: _worker(bootstrap, text))


def echo_latency(bootstrap: str, name: str, rate: int, seconds: float) -> Latency:
    """Measure the bare echo."""
    command = python("tests.benchmarks.echo", bootstrap, name, f"{name}-alerts")
    return _run(bootstrap, name, rate, seconds, lambda: Measured(command, core=WORKER_CORE))


@contextmanager
def _worker(bootstrap: str, text: str) -> Any:
    settings = {"BENCH_STALLS": "1", "STREAMS_KAFKA_AUTO_COMMIT_INTERVAL_MS": "1000"}
    with workers(bootstrap, text, **settings) as (process,):
        yield process


def _run(
    bootstrap: str, topic: str, rate: int, seconds: float, system: Callable[[], AbstractContextManager[Measured]]
) -> Latency:
    """Send so many events per second, for so many seconds, through a system that is ready, and return what it took."""
    target = f"{topic}-alerts"
    asyncio.run(_make(bootstrap, topic, target))
    with system() as process:
        process.heard("BEGAN")
        time.sleep(SETTLE)
        command = python("tests.benchmarks.traffic", bootstrap, topic, str(rate), str(WARM_UP + seconds))
        with Measured(command, core=BROKER_CORE) as traffic:
            traffic.heard("READY")
            process.said("STALLS")
            heard, sent = asyncio.run(_read(bootstrap, target, traffic))
        stalls = [json.loads(line) for line in process.said("STALLS")]
    begin = min(sent.values()) + WARM_UP
    found = np.sort([(heard[name] - at) * 1000 for name, at in sent.items() if at >= begin and name in heard])
    if not len(found):
        raise process.failed("let no trigger through")
    return Latency(found, len(sent) - len(heard.keys() & sent.keys()), stalls)


async def _make(bootstrap: str, *names: str) -> None:
    client = await Client({"bootstrap_servers": bootstrap}).start()
    for name in names:
        await topics.ensure(client, name, PARTITIONS)
    await client.stop()


async def _read(bootstrap: str, topic: str, traffic: Measured) -> tuple[dict[str, float], dict[str, float]]:
    """Return when each trigger's first alert came, and when the trigger was sent."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    sending = asyncio.get_running_loop().run_in_executor(None, traffic.heard, "SENT")
    heard: dict[str, float] = {}
    until = float("inf")
    while time.monotonic() < until:
        batches = await consumer.getmany(timeout_ms=100)
        now = time.perf_counter()
        for records in batches.values():
            for record in records:
                heard.setdefault(_trigger(record.value), now)
        if sending.done() and until == float("inf"):
            until = time.monotonic() + LINGER
        if sending.done() and json.loads(sending.result()).keys() <= heard.keys():
            break
    await consumer.stop()
    return heard, json.loads(await sending)


def _trigger(value: bytes) -> str:
    found = json.loads(value)
    return str(found["labels"]["service"] if "labels" in found else found["service"])
