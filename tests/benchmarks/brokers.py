"""Brokers for benchmarks: on a core of their own, so that they do not run where the worker is measured."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from streams.embedded import EmbeddedBroker
from tests.brokers import KafkaCluster

BROKER_CORE = 1
WORKER_CORE = 0
NO_RETENTION = {"log_initial_task_delay_ms": str(86_400_000)}
"""Nothing is deleted while a benchmark runs.

Flink and Kafka Streams give what they write the time of its event, which is two years ago: the broker, which looks half
a minute after its start and then every five minutes, would take it for older than a week and delete it before it is
compared.
"""


@contextmanager
def apache(**settings: str) -> Iterator[str]:
    """Run one Apache Kafka broker, and yield its address.

    Args:
        settings: server properties, with `_` for `.`.
    """
    with stoppable(), _on(BROKER_CORE):
        cluster = KafkaCluster(1, **NO_RETENTION | settings)
        try:
            cluster.start()
            yield cluster.bootstrap
        finally:
            cluster.stop()


@contextmanager
def embedded() -> Iterator[str]:
    """Run the embedded broker, and yield its address."""
    with stoppable(), _on(BROKER_CORE), EmbeddedBroker() as broker:
        yield broker.bootstrap


@contextmanager
def stoppable() -> Iterator[None]:
    """Let a SIGTERM end this process in order: a broker or a worker left behind would be measured with all others."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    sys.exit(128 + number)


@contextmanager
def _on(core: int) -> Iterator[None]:
    """Run us, and what we start, on one core: worker processes choose their own."""
    before = os.sched_getaffinity(0)
    if len(before) > 1:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
