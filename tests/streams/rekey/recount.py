"""What one partition of a re-keyed table must be, by plain Python over the logs of its stream."""

from __future__ import annotations

from collections.abc import Sequence

from streams.testing.murmur import partition_of
from tests.streams.oracle import Event, Oracle, Shape


def recount(shape: Shape, logs: Sequence[Sequence[tuple[Event, bool]]], partition: int) -> Oracle:
    """Return all rows, closed rows, alerts and late rows of one table partition.

    A row is late by the greatest time in its own log up to it; windows close by the least of the logs' greatest times.

    Args:
        shape: of the windows and the alert, in ms.
        logs: for each partition of the stream its events, in order, and whether the table's `where` takes each.
        partition: of the table; there are as many as logs.
    """
    oracle = Oracle(shape)
    reached = []
    for number, log in enumerate(logs):
        running = -1
        for event, wanted in log:
            running = max(running, event.time)
            if wanted and partition_of(event.key.encode(), len(logs)) == partition:
                _take(oracle, Event(event.offset * len(logs) + number, event.key, event.time, event.value), running)
        reached.append(running)
    oracle.watermark = min(reached)
    if oracle.rows and oracle.watermark > 0:
        oracle.judged_to = min(start for start, _ in oracle.rows) + shape.size
        oracle.close()
    return oracle


def _take(oracle: Oracle, event: Event, running: int) -> None:
    """Count an event in each of its windows that its own log leaves open."""
    shape = oracle.shape
    last = event.time - event.time % shape.every
    starts = range(last, event.time - shape.size, -shape.every)
    still = [start for start in starts if start + shape.size + shape.grace > running]
    for start in still:
        oracle.rows.setdefault((start, event.key), []).append(event)
    if not still:
        oracle.late.append(event.offset)
