"""The examples counted once more, in plain Python and record by record: what tables, windows and alerts must say.

It shares nothing with the engine: windows are lists of records, an alert is a loop over window ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]
Rows = dict[tuple[str, int], list[Record]]


@dataclass(frozen=True)
class Windows:
    """Windows of `size` ms that start at each `every` ms and stay open for `grace` ms."""

    size: int
    every: int
    grace: int

    def of(self, time: int) -> Iterable[int]:
        """Return the starts of the windows that hold a time."""
        last = time - time % self.every
        return (start for start in range(last, last - self.size, -self.every) if start <= time < start + self.size)


@dataclass(frozen=True)
class Counted:
    """What the windows hold when all input of one partition is read.

    Args:
        rows: (key, window start) to the records that counted, in order of arrival.
        late: records that were late for all their windows.
        watermark: the greatest event time.
    """

    rows: Rows
    late: list[Record]
    watermark: int


def count(records: Iterable[Record], windows: Windows, *, key: str, counts: Callable[[Record], bool]) -> Counted:
    """Return what the windows hold; each record has its event time in `time`, in ms.

    Args:
        records: of one partition, in order of arrival.
        windows: of the table.
        key: name of the key field.
        counts: whether a record belongs in the table.
    """
    rows: Rows = defaultdict(list)
    late, watermark = [], 0
    for record in records:
        time = record["time"]
        if counts(record):
            still_open = [start for start in windows.of(time) if start + windows.size + windows.grace > watermark]
            for start in still_open:
                rows[record[key], start].append(record)
            if not still_open:
                late.append(record)
        watermark = max(watermark, time)
    return Counted(dict(rows), late, watermark)


@dataclass(frozen=True)
class Rule:
    """An alert: when a row's records make it hold, for how long before it fires, and how long it goes on."""

    name: str
    holds: Callable[[list[Record]], bool]
    wait: int = 0
    keep: int = 0


Transition = tuple[str, str, str, int, int | None]


def transitions(counted: Counted, windows: Windows, rule: Rule) -> list[Transition]:
    """Return (alert, key, status, startsAt, endsAt) of every change to firing and to resolved, sorted.

    Each key is judged at each window end that the watermark has passed by the grace, in order.
    """
    ends = range(
        min(start for _, start in counted.rows) + windows.size,
        counted.watermark - windows.grace + 1,
        windows.every,
    )
    found: list[Transition] = []
    for key in {key for key, _ in counted.rows}:
        active = fired = missed = None
        for end in ends:
            records = counted.rows.get((key, end - windows.size))
            if records and rule.holds(records):
                active, missed = end if active is None else active, None
                if fired is None and end - active >= rule.wait:
                    fired = end
                    found.append((rule.name, key, "firing", fired, None))
            elif fired is None:
                active = None
            else:
                missed = end if missed is None else missed
                if end - missed >= rule.keep:
                    found.append((rule.name, key, "resolved", fired, end))
                    active = fired = missed = None
    return sorted(found, key=str)
