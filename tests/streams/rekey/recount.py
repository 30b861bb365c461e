"""What one partition of a re-keyed table must be, by plain Python over the logs of its stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from streams.testing.murmur import partition_of
from tests.streams.oracle import Event, Oracle, Shape

Rows = dict[tuple[int, str], dict[str, int]]


def recount(
    shape: Shape, logs: Sequence[Sequence[tuple[Event, bool]]], partition: int, partitions: int | None = None
) -> Oracle:
    """Return all rows, closed rows, alerts and late rows of one table partition.

    A row is late by the greatest time in its own log up to it; windows close by the least of the logs' greatest times.

    Args:
        shape: of the windows and the alert, in ms.
        logs: for each partition of the stream (or of several, in the order of their topics' names) its events, in
            order, and whether the table's `where` takes each.
        partition: of the table.
        partitions: of the table; None is as many as logs.
    """
    count = partitions or len(logs)
    oracle = Oracle(shape)
    reached = []
    for number, log in enumerate(logs):
        running = -1
        for event, wanted in log:
            running = max(running, event.time)
            if wanted and partition_of(event.key.encode(), count) == partition:
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


def following(  # noqa: PLR0913, PLR0917 - two tables and what lies between
    before: Shape,
    shape: Shape,
    closed: Sequence[Rows],
    ends: Sequence[int | None],
    key: Callable[[str], str],
    place: int,
) -> tuple[Rows, Rows, int | None]:
    """Return all rows, and the closed ones, of one partition of a table that reads closed rows; its first open end.

    Args:
        before: of the table that is read, in ms.
        shape: of the table, in ms.
        closed: rows by partition; their columns are n, total, low and high.
        ends: the end of the first open window of each partition; None if nothing is known.
        key: returns the key of a row by that of the row it is made of.
        place: the partition.
    """
    found: dict[tuple[int, str], list[dict[str, int]]] = defaultdict(list)
    for rows in closed:
        for (start, name), row in rows.items():
            if partition_of(key(name).encode(), len(closed)) == place:
                time = start + before.size - 1
                last = time - time % shape.every
                for at in range(last, time - shape.size, -shape.every):
                    found[at, key(name)].append(row)
    every = {at: summed(rows) for at, rows in found.items()}
    if None in ends:
        return every, {}, None
    reached = min(end - 1 for end in ends if end is not None)
    done = {at: row for at, row in every.items() if at[0] + shape.size + shape.grace <= reached}
    return every, done, first_open(shape, reached)


def first_open(shape: Shape, watermark: int) -> int:
    """Return the end of the first window that a watermark leaves open."""
    return ((watermark - shape.size - shape.grace) // shape.every + 1) * shape.every + shape.size


def summed(rows: Sequence[dict[str, int]]) -> dict[str, int]:
    """Return the row that rows make."""
    columns: dict[str, list[int]] = {name: [row[name] for row in rows] for name in rows[0]}
    how = {"n": sum, "total": sum, "low": min, "high": max}
    return {name: how[name](values) for name, values in columns.items()}
