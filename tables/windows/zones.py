"""Clocks of time zones, as arithmetic on arrays: hours, days, weeks and months as their people count them.

A clock is a list of stretches in which its offset from UTC does not change. They are found once for each zone, by
asking `zoneinfo` week by week; from then on nothing is asked per event.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np

if TYPE_CHECKING:
    from tables.windows.panes import Times

HOUR, DAY = 3_600_000, 86_400_000
EARLIEST, LATEST = -(10**12), 254 * 10**12
"""Times are taken for one of these where they lie before or after: in 1938 and 10018."""
_FROM, _TO = datetime(1969, 12, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_WEEK = timedelta(days=7)
_SECOND = timedelta(seconds=1)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database, the system's or else that of the package `tzdata`.

    Raises:
        ValueError: there is no such zone, with the name that was probably meant.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(name, sorted(available_timezones()), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "write a name of the IANA database, such as 'Europe/Berlin'"
        raise ValueError(f"there is no time zone {name!r}; {hint}") from None


@dataclass(frozen=True)
class Clock:
    """The clock of a zone: m stretches, in ms, each up to the next one's begin.

    Args:
        since: shape (m,), the first instant of each.
        offset: shape (m,), how much later than UTC the clock shows.
    """

    since: Times
    offset: Times

    def at(self, time: Times) -> Times:
        """Return the stretch in which each instant lies."""
        return np.maximum(np.searchsorted(self.since, time, "right") - 1, 0)


@cache
def clock_of(name: str) -> Clock:
    """Return the clock of a zone from 1970 on. After 2199 it is not set any more.

    Raises:
        ValueError: there is no such zone.
    """
    zone = zone_of(name)
    since, offset, time = [EARLIEST], [_offset(zone, _FROM)], _FROM
    while time < _TO:
        after = time + _WEEK
        while _offset(zone, after) != offset[-1]:
            changes = _change(zone, time, after, offset[-1])
            since.append(int(changes.timestamp()) * 1000)
            offset.append(_offset(zone, changes))
        time = after
    return Clock(np.array(since, np.int64), np.array(offset, np.int64))


def _offset(zone: ZoneInfo, time: datetime) -> int:
    shown = time.astimezone(zone).utcoffset() or timedelta()
    return round(shown / timedelta(milliseconds=1))


def _change(zone: ZoneInfo, low: datetime, high: datetime, before: int) -> datetime:
    """Return the first second after `low` at which the clock does not show `before` any more, as it does at `high`."""
    seconds = range(int((high - low) / _SECOND) + 1)
    return low + bisect_left(seconds, True, key=lambda s: _offset(zone, low + s * _SECOND) != before) * _SECOND  # noqa: FBT003 - what is sought


class Units(ABC):
    """A unit of the calendar: its numbers rise with time and have no gaps.

    Args:
        clock: of the zone.
    """

    def __init__(self, clock: Clock) -> None:
        """Keep the clock."""
        self._clock = clock

    @abstractmethod
    def number(self, time: Times) -> Times:
        """Return the number of the unit in which each instant (ms) lies."""

    @abstractmethod
    def start(self, number: Times) -> Times:
        """Return the first ms of each unit."""


class Hours(Units):
    """Hours begin when the clock shows or skips a full hour. Set back by an hour, it shows the same hour twice: two."""

    def __init__(self, clock: Clock) -> None:
        """Number the hours of each stretch on from those of the one before."""
        super().__init__(clock)
        self._shown = (clock.since + clock.offset) // HOUR
        ends = np.append(clock.since[1:], LATEST) - 1
        passed = (ends + clock.offset) // HOUR - self._shown
        again = (clock.since + clock.offset) % HOUR == 0
        begins = again[1:] | (self._shown[1:] != (self._shown + passed)[:-1])
        self._base = clock.since[0] // HOUR + np.concatenate(([0], np.cumsum(passed[:-1] + begins)))
        self._last = self._base + passed

    def number(self, time: Times) -> Times:
        """Return the number of hours that began since the epoch."""
        at = self._clock.at(time)
        number: Times = self._base[at] + (time + self._clock.offset[at]) // HOUR - self._shown[at]
        return number

    def start(self, number: Times) -> Times:
        """Return the first ms of each hour."""
        at = np.minimum(np.searchsorted(self._last, number), len(self._last) - 1)
        shown = (self._shown[at] + number - self._base[at]) * HOUR
        first: Times = np.maximum(self._clock.since[at], shown - self._clock.offset[at])
        return first


class Days(Units):
    """Days begin when the clock first shows their midnight, or skips it."""

    def __init__(self, clock: Clock) -> None:
        """Find out what the clock shows at the end of each stretch."""
        super().__init__(clock)
        self._shown_until = np.maximum.accumulate(np.append(clock.since[1:] + clock.offset[:-1], 4 * LATEST))

    def number(self, time: Times) -> Times:
        """Return the number of each instant's unit, first as the clock shows it: set back, it may show a day twice."""
        found = self.named(time + self._clock.offset[self._clock.at(time)])
        found = found + (self.start(found + 1) <= time)
        return found - (self.start(found) > time)

    def start(self, number: Times) -> Times:
        """Return the first ms of each unit: its first midnight, or the end of the gap in which that lies."""
        midnight = self.midnight(number)
        at = np.searchsorted(self._shown_until, midnight, "right")
        first: Times = np.maximum(self._clock.since[at], midnight - self._clock.offset[at])
        return first

    def named(self, shown: Times) -> Times:
        """Return the number that a clock's time has: days since 1970-01-01."""
        return shown // DAY

    def midnight(self, number: Times) -> Times:
        """Return the midnight with which each begins, as the clock shows it, in ms."""
        return number * DAY


class Weeks(Days):
    """Weeks of ISO 8601: they begin on Monday; that of 1970-01-01 is 0."""

    def named(self, shown: Times) -> Times:
        """Return the number of weeks since the first."""
        return (shown + 3 * DAY) // (7 * DAY)

    def midnight(self, number: Times) -> Times:
        """Return the midnight between Sunday and Monday."""
        return number * (7 * DAY) - 3 * DAY


class Months(Days):
    """Months: that of 1970-01-01 is 0."""

    def named(self, shown: Times) -> Times:
        """Return the number of months since the first."""
        return shown.astype("<M8[ms]").astype("<M8[M]").astype(np.int64)

    def midnight(self, number: Times) -> Times:
        """Return the midnight with which the first day begins."""
        return number.astype("<M8[M]").astype("<M8[ms]").astype(np.int64)


UNITS: dict[str, type[Units]] = {"hour": Hours, "day": Days, "week": Weeks, "month": Months}
