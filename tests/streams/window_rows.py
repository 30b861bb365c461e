"""Which events each window of each key holds, by kind of window, one event at a time in plain Python.

`ROWS` has a function for each registered kind: it takes the declared window and events in the order of arrival, and
returns the events that count by (key, start, end, number); the number tells windows of a key apart that are the same by
the others, in the order in which they began. What a kind's windows are is said here again, from the declaration
alone; nothing is asked of the code under test.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from streams.testing.results import TableRow

Span = tuple[int, int]
At = tuple[str, int, int, int]
Rows = dict[At, list["Seen"]]


class Seen(NamedTuple):
    """One event as it came; the names are those that the oracles of aggregates read."""

    key: str
    time: int
    offset: int
    value: Any
    by: Any
    flag: bool


def even(window: Any, time: int) -> Iterable[Span]:
    """Return the windows of equal length that hold a time: a start at each interval after the offset."""
    last = time - (time - window.offset) % window.interval
    return [(start, start + window.size) for start in range(last, time - window.size, -window.interval)]


def calendar(window: Any, time: int) -> Iterable[Span]:
    """Return the unit of the calendar that holds a time, where no clock is set at midnight or by less than an hour."""
    zone = ZoneInfo(window.zone)
    here = datetime.fromtimestamp(time // 1000, UTC).astimezone(zone)
    if window.unit == "hour":
        begins = here.astimezone(UTC) - timedelta(minutes=here.minute, seconds=here.second)
        return [(ms(begins), ms(begins) + 3_600_000)]
    day = here.replace(hour=0, minute=0, second=0, fold=0, tzinfo=None)
    begins = {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[window.unit]
    month = (begins + timedelta(days=31)).replace(day=1)
    ends = {"day": begins + timedelta(days=1), "week": begins + timedelta(days=7), "month": month}[window.unit]
    return [(ms(begins.replace(tzinfo=zone)), ms(ends.replace(tzinfo=zone)))]


def ms(instant: datetime) -> int:
    """Return ms since the epoch."""
    return int(instant.timestamp()) * 1000


def assigned(spans: Callable[[Any, int], Iterable[Span]]) -> Callable[[Any, Sequence[Seen]], Rows]:
    """Return what counts where windows are known from an event's time: those that are open when it comes."""

    def rows(window: Any, events: Sequence[Seen]) -> Rows:
        found: Rows = defaultdict(list)
        watermark = 0
        for event in events:
            watermark = max(watermark, event.time)
            for start, end in spans(window, event.time):
                if end + window.grace > watermark:
                    found[event.key, start, end, 0].append(event)
        return dict(found)

    return rows


def sessions(window: Any, events: Sequence[Seen]) -> Rows:
    """Return the sessions: an event joins those of its key that are open and at most the gap away."""
    found: list[list[Seen]] = []
    watermark = 0
    for event in events:
        watermark = max(watermark, event.time)
        if event.time + window.gap + 1 + window.grace <= watermark:
            continue
        near = [
            each
            for each in found
            if each[0].key == event.key
            and max(one.time for one in each) + window.gap + 1 + window.grace > watermark
            and min(abs(one.time - event.time) for one in each) <= window.gap
        ]
        found = [each for each in found if each not in near]
        found.append(sorted([event, *(one for each in near for one in each)], key=lambda one: one.offset))
    return {
        (each[0].key, min(one.time for one in each), max(one.time for one in each) + window.gap + 1, 0): each
        for each in found
    }


def sliding(window: Any, events: Sequence[Seen]) -> Rows:
    """Return the sliding windows, by their last instant: each event counts in those that hold it and are open.

    A window is there because an event that came while it was open is its last one, or lies just before its first
    instant while another one lies in it.
    """
    came: list[tuple[Seen, int]] = []
    watermark = 0
    for event in events:
        watermark = max(watermark, event.time)
        if event.time + window.size + 1 + window.grace > watermark:
            came.append((event, watermark))
    found: Rows = {}
    lasts = {(event.key, last) for event, _ in came for last in (event.time, event.time + window.size + 1)}
    came.sort(key=lambda each: (each[0].key, each[0].time))
    places = [(event.key, event.time) for event, _ in came]
    for key, last in lasts:
        near = came[bisect_left(places, (key, last - window.size - 1)) : bisect_right(places, (key, last))]
        here = sorted((event for event, at in near if last + 1 + window.grace > at), key=lambda event: event.offset)
        held = [event for event in here if last - window.size <= event.time]
        makes = {event.time for event in here} & {last, last - window.size - 1}
        if held and makes:
            found[key, last - window.size, last + 1, 0] = held
    return found


def counted(window: Any, events: Sequence[Seen]) -> Rows:
    """Return the windows of so many rows of a key as they come, none of which is late."""
    of_key: dict[str, list[Seen]] = defaultdict(list)
    for event in events:
        of_key[event.key].append(event)
    found: Rows = {}
    for key, rows in of_key.items():
        for part in (rows[at : at + window.size] for at in range(0, len(rows), window.size)):
            found[numbered(found, key, min(each.time for each in part), max(each.time for each in part) + 1)] = part
    return found


def numbered(found: Container[At], key: str, start: int, end: int) -> At:
    """Return the place of another window, behind those that are the same by key, start and end."""
    number = 0
    while (key, start, end, number) in found:
        number += 1
    return key, start, end, number


def listed(rows: Iterable[TableRow]) -> dict[At, dict[str, Any]]:
    """Return the rows of a table by place; those of one key are in the order in which their windows began."""
    found: dict[At, dict[str, Any]] = {}
    for row in rows:
        found[numbered(found, str(row.key), row.start or 0, row.end or 0)] = row.values
    return found


ROWS: dict[str, Callable[[Any, Sequence[Seen]], Rows]] = {
    "tumbling": assigned(even),
    "hopping": assigned(even),
    "calendar": assigned(calendar),
    "session": sessions,
    "sliding": sliding,
    "count": counted,
}
