"""`{calendar: day, zone: Europe/Berlin}`: hours, days, weeks and months as a clock on the wall counts them.

A day on which the clock is set forward has 23 hours, and one on which it is set back has 25. A window is a pane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tables.durations import parse
from tables.windows.base import GRACE_OPTION, Option, Window
from tables.windows.panes import Panes
from tables.windows.zones import DAY, EARLIEST, HOUR, LATEST, UNITS, clock_of, zone_of

if TYPE_CHECKING:
    from typing import Self

    from tables.windows.panes import T, Times

LENGTHS = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 31 * DAY}
_SET_BACK = 2 * HOUR
"""At most what clocks are set back by."""
_MANY = 4096


class CalendarPanes(Panes):
    """The arithmetic of a unit of the calendar in a zone.

    Args:
        unit: hour, day, week or month.
        zone: name of the time zone.
        grace: how long after its end a window stays open, in ms.
    """

    def __init__(self, unit: str, zone: str, grace: int) -> None:
        """Look the zone's clock up."""
        super().__init__(grace)
        self._units = UNITS[unit](clock_of(zone))

    def pane(self, time: T) -> T:
        """Return the window in which each `time` (ms) lies."""
        if isinstance(time, int):
            return int(self._units.number(np.array([min(max(time, EARLIEST), LATEST)]))[0])
        return self._numbers(np.clip(time, EARLIEST, LATEST)) if len(time) else time

    def _numbers(self, time: Times) -> Times:
        """Return the windows of n times. Those of a batch lie in a few, whose starts are looked up, not computed."""
        first, last = self._units.number(np.array([time.min(), time.max()])).tolist()
        if last - first > _MANY:
            return self._units.number(time)
        starts = self._units.start(np.arange(first + 1, last + 1))
        windows: Times = first + np.searchsorted(starts, time, "right")
        return windows

    def first_of(self, pane: T) -> T:
        """Return the pane: it is the window."""
        return pane

    def last_of(self, pane: T) -> T:
        """Return the pane: it is the window."""
        return pane

    def panes_of(self, window: int) -> range:
        """Return the window: it is a pane."""
        return range(window, window + 1)

    def start(self, window: T) -> T:
        """Return the first ms of each window."""
        if isinstance(window, int):
            return int(self._units.start(np.array([window]))[0])
        return self._units.start(window)

    def end(self, window: T) -> T:
        """Return the ms after each window: the start of the next one."""
        return self.start(window + 1)

    def starting_from(self, time: T) -> T:
        """Return the first window that starts at each `time` (ms) or later: the one after that of the ms before."""
        return self.pane(time - 1) + 1

    def ending_from(self, time: T) -> T:
        """Return the first window that ends at each `time` (ms) or later: that of the ms before."""
        return self.pane(time - 1)


@dataclass(frozen=True)
class Calendar(Window):
    """Windows of one unit of the calendar.

    Args:
        unit: hour, day, week (of ISO 8601, from Monday on) or month.
        zone: name of an IANA time zone.
        grace: as in `Window`.
    """

    kind: ClassVar[str] = "calendar"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "calendar",
            "Windows of the calendar; a week begins on Monday.",
            takes="choice",
            choices=tuple(UNITS),
            argument="unit",
        ),
        Option("zone", "The time zone whose clock says when hours and days of the calendar begin.", "UTC", "zone"),
        GRACE_OPTION,
    )
    example: ClassVar[str] = "{calendar: day, zone: Europe/Berlin}"

    unit: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse what is no unit or no zone."""
        if self.unit not in UNITS:
            raise ValueError(f"the calendar has windows of {', '.join(UNITS)}, not {self.unit!r}")
        zone_of(self.zone)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        """Return every unit, in zones that are ahead of UTC and behind, and one of half hours."""
        return (
            cls("hour", "Asia/Kolkata", grace=0),
            cls("hour", "Australia/Lord_Howe"),
            cls("day", "Europe/Berlin"),
            cls("week", "America/New_York", grace=HOUR),
            cls("month", "Pacific/Auckland"),
        )

    @property
    def longest(self) -> int:
        """The length of the longest, in which the clock is set back."""
        return LENGTHS[self.unit] + _SET_BACK

    @property
    def interval(self) -> int:
        """The length of one in which the clock is not set; of months that of the longest."""
        return LENGTHS[self.unit]

    def panes(self) -> Panes:
        """Return the arithmetic of these windows."""
        return CalendarPanes(self.unit, self.zone, self.grace)

    def shape(self) -> Any:
        """Return unit and zone."""
        return ["calendar", self.unit, self.zone]

    def words(self) -> str:
        """Return what they are, in words."""
        return f"windows of a calendar {self.unit} in {self.zone}"


def calendar(unit: str, *, zone: str = "UTC", grace: str = "10s") -> Calendar:
    """Return windows of the calendar: `calendar("day", zone="Europe/Berlin")`.

    Args:
        unit: "hour", "day", "week" (from Monday on) or "month".
        zone: name of an IANA time zone.
        grace: how long after its end a window stays open, in event time; text, such as "1m".

    Raises:
        ValueError: there is no such unit or zone, or `grace` is no duration.
    """
    return Calendar(unit, zone, grace=parse(grace))
