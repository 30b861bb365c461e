"""Events at a steady rate, some of which make an alert fire: the load of the latency runs.

Run by `latency.py` as `python -m tests.benchmarks.traffic BOOTSTRAP TOPIC RATE SECONDS`. All record batches are built
before the first is sent. It says `READY`, sends for so many seconds from then on, and says `SENT` with a JSON object:
trigger -> the time (`time.perf_counter`, one clock for all processes) at which it was handed to the producer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiokafka import AIOKafkaProducer

from tests.benchmarks.workload import PARTITIONS

TICK = 0.005
"""Seconds between two sends."""
TRIGGERS = 100
"""Triggers per second."""
SERVICES = 1_000
BUILD_RATE = 100_000
"""Events that are surely built in a second."""


@dataclass(frozen=True)
class Tick:
    """What is sent at once.

    Args:
        at: seconds from the beginning.
        batches: (partition, prebuilt record batch).
        triggers: names of those in it.
    """

    at: float
    batches: list[tuple[int, Any]]
    triggers: list[str]


def build(producer: AIOKafkaProducer, rate: int, seconds: float, start: int) -> list[Tick]:
    """Return all ticks.

    Args:
        producer: builds the record batches.
        rate: events per second.
        seconds: how long.
        start: event time of the first, ms.
    """
    rng = np.random.default_rng(1)
    count = int(seconds / TICK)
    edges = np.linspace(0, rate * seconds, count + 1).astype(int)
    values = np.round(rng.lognormal(3, 0.5, edges[-1]), 3).tolist()
    services = rng.integers(0, SERVICES, edges[-1]).tolist()
    step, found, number = round(1 / (TRIGGERS * TICK)), [], 0
    for tick in range(count):
        now = start + round(tick * TICK * 1000)
        parts: dict[int, Any] = {}
        for event in range(edges[tick], edges[tick + 1]):
            service = services[event]
            _add(producer, parts, service % PARTITIONS, (f"checkout-{service:06d}", values[event], now))
        triggers = []
        if tick % step == 0:
            triggers.append(f"trigger-{number:06d}")
            _add(producer, parts, number % PARTITIONS, (triggers[0], 9999.0, now))
            number += 1
        found.append(Tick(tick * TICK, list(parts.items()), triggers))
    return found


def _add(producer: AIOKafkaProducer, parts: dict[int, Any], partition: int, event: tuple[str, float, int]) -> None:
    """Add an event (service, value, event time) to the batch of its partition."""
    if partition not in parts:
        parts[partition] = producer.create_batch()
    service, value, now = event
    stamp = f"{now // 1000}.{now % 1000:03d}"
    text = f'{{"service":"{service}","host":"web-17","metric":"latency_ms","value":{value},"ts":{stamp}}}'
    parts[partition].append(key=service.encode(), value=text.encode(), timestamp=now)


async def run(bootstrap: str, topic: str, rate: int, seconds: float) -> dict[str, float]:
    """Send everything on time, and return when each trigger was sent."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=1 << 20)
    await producer.start()
    begin = time.time() + 1 + rate * seconds / BUILD_RATE
    ticks = build(producer, rate, seconds, round(begin * 1000))
    _say("READY")
    clock = time.perf_counter() + max(0.0, begin - time.time())
    sent: dict[str, float] = {}
    for tick in ticks:
        await asyncio.sleep(max(0.0, clock + tick.at - time.perf_counter()))
        sent.update(dict.fromkeys(tick.triggers, time.perf_counter()))
        for partition, batch in tick.batches:
            await producer.send_batch(batch, topic, partition=partition)
    await producer.flush()
    await producer.stop()
    return sent


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    bootstrap, topic, rate, seconds = sys.argv[1:]
    _say("SENT " + json.dumps(asyncio.run(run(bootstrap, topic, int(rate), float(seconds)))))
