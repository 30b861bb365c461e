"""Windows of the calendar against `datetime` and `zoneinfo`, minute by minute, in every zone and across every change.

Berlin sets its clock back on 2026-10-25 at 03:00, so that the hour from 02:00 passes twice:

    UTC        22:00     23:00     00:00     01:00     02:00           22:00     23:00
    Berlin     00:00     01:00     02:00     02:00     03:00           23:00     00:00
    hour       |---------|---------|---------|---------|---------| ... |---------|
    day        |------------------------- 25 hours ------------------------------|
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables import calendar
from tables.windows import panes
from tables.windows.calendar import Calendar
from tables.windows.zones import clock_of

MINUTE = timedelta(minutes=1)
ZONES = sorted(available_timezones() - {"localtime", "Factory"})
FROM, TO = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1973, 2150))
"""Since 1973 no zone counts seconds: a minute is the finest step of any clock."""
SKIPPED = {
    "Pacific/Apia",
    "Pacific/Fakaofo",
    "Pacific/Kwajalein",
    "Kwajalein",
    "Pacific/Enderbury",
    "Pacific/Kanton",
    "Pacific/Kiritimati",
}
"""Zones that crossed the date line, and had no such day: its window is empty."""


def shown(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return what the clock of a zone shows."""
    return instant.astimezone(zone).replace(tzinfo=None)


def hour_starts(around: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return each minute near an instant at which the clock shows a full hour, or an hour that is not the last one."""
    minutes = [around.replace(second=0, microsecond=0) + i * MINUTE for i in range(-200, 200)]
    found = []
    for before, now in pairwise(minutes):
        time = shown(now, zone)
        if time.minute == 0 or time.hour != shown(before, zone).hour:
            found.append(now)
    return found


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return the first minute at which the clock shows a day, or a later one."""
    noon = datetime(day.year, day.month, day.day, tzinfo=UTC)
    minutes = (noon + i * MINUTE for i in range(-15 * 60, 15 * 60))
    return next(now for now in minutes if shown(now, zone).date() >= day)


def first_day(unit: str, day: date) -> date:
    """Return the day with which a day's unit begins."""
    return {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[unit]


def starts(unit: str, around: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return starts of units of a zone, among them the last one up to an instant and the next one, rising."""
    if unit == "hour":
        return hour_starts(around, zone)
    step = {"day": 1, "week": 7, "month": 20}[unit]
    days = (shown(around, zone).date() + timedelta(days=by * step) for by in (-2, -1, 0, 1, 2))
    return sorted({day_start(first_day(unit, day), zone) for day in days})


def ms(instant: datetime) -> int:
    """Return ms since the epoch."""
    return int(instant.timestamp()) * 1000


def instants(zone: str) -> st.SearchStrategy[int]:
    """Return seconds since the epoch, many of them near a change of the zone's clock."""
    changes = [int(each) // 1000 for each in clock_of(zone).since if FROM * 1000 < each < TO * 1000] or [FROM]
    near = st.builds(lambda at, by: at + by, st.sampled_from(changes), st.integers(-90_000, 90_000))
    return st.one_of(near, st.integers(FROM, TO))


@settings(max_examples=120, deadline=None)
@given(
    unit=st.sampled_from(["hour", "hour", "day", "day", "week", "month"]), zone=st.sampled_from(ZONES), data=st.data()
)
def test_windows_are_those_that_the_clock_shows(unit: str, zone: str, data: st.DataObject) -> None:
    """An instant's window begins at the last start up to it, and ends at the next."""
    instant = datetime.fromtimestamp(data.draw(instants(zone)), UTC)
    found, known = panes(calendar(unit, zone=zone)), starts(unit, instant, ZoneInfo(zone))
    window = found.pane(ms(instant))
    assert found.start(window) == ms(max(start for start in known if start <= instant))
    assert found.end(window) == ms(min(start for start in known if start > instant))
    numbers = [found.pane(ms(start)) for start in known]
    assert zone in SKIPPED or numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@settings(max_examples=40, deadline=None)
@given(unit=st.sampled_from(["hour", "day", "week", "month"]), zone=st.sampled_from(ZONES), data=st.data())
def test_an_array_of_any_times_is_each_of_them(unit: str, zone: str, data: st.DataObject) -> None:
    """A batch whose times lie in few windows, or in more than are looked up, gives what each time gives alone."""
    found = panes(calendar(unit, zone=zone))
    times = [each * 1000 + 999 for each in data.draw(st.lists(instants(zone), max_size=20))]
    assert found.pane(np.array(times, np.int64)).tolist() == [found.pane(time) for time in times]


def lengths(unit: str, zone: str, day: date, n: int) -> list[float]:
    """Return the lengths in hours of the first n windows that begin on a day or later."""
    found = panes(calendar(unit, zone=zone))
    first = found.starting_from(ms(day_start(day, ZoneInfo(zone))))
    return [(found.end(k) - found.start(k)) / 3_600_000 for k in range(first, first + n)]


@pytest.mark.parametrize(
    ("unit", "zone", "day", "hours"),
    [
        ("day", "Europe/Berlin", date(2026, 3, 28), [24, 23, 24]),
        ("day", "Europe/Berlin", date(2026, 10, 24), [24, 25, 24]),
        ("hour", "Europe/Berlin", date(2026, 10, 25), [1] * 25),
        ("week", "Europe/Berlin", date(2026, 10, 19), [169, 168]),
        ("month", "Europe/Berlin", date(2026, 3, 1), [31 * 24 - 1, 30 * 24]),
        ("month", "UTC", date(2024, 2, 1), [29 * 24, 31 * 24]),
        # Set forward at midnight, so that the day begins at 01:00; set back at midnight to 23:00 of the same day.
        ("day", "America/Sao_Paulo", date(2018, 11, 3), [24, 23, 24]),
        ("day", "America/Sao_Paulo", date(2018, 2, 17), [25, 24]),
        # Set back at 00:01 to 23:01 of the day before, and at 01:00 to 00:00: the day has begun all the same.
        ("day", "America/St_Johns", date(2006, 10, 28), [24, 25, 24]),
        ("day", "America/Havana", date(2026, 10, 31), [24, 25, 24]),
        # By half an hour: an hour of 90 minutes, and one of 30.
        ("hour", "Australia/Lord_Howe", date(2026, 4, 5), [1, 1.5, 1]),
        ("hour", "Australia/Lord_Howe", date(2026, 10, 4), [1, 1, 0.5, 1]),
        # Samoa crossed the date line and had no 30th: an empty window.
        ("day", "Pacific/Apia", date(2011, 12, 29), [24, 0, 24]),
    ],
)
def test_days_on_which_the_clock_is_set(unit: str, zone: str, day: date, hours: list[float]) -> None:
    """Windows are as long as they were for the people there."""
    assert lengths(unit, zone, day, len(hours)) == hours


def test_weeks_begin_on_monday() -> None:
    """A week is one of ISO 8601: Sunday, also that of the first week of a year, belongs to the Monday before."""
    found = panes(calendar("week", zone="Asia/Tokyo"))
    sunday = datetime(2027, 1, 3, 23, 59, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert found.start(found.pane(ms(sunday))) == ms(datetime(2026, 12, 28, tzinfo=ZoneInfo("Asia/Tokyo")))


def test_arguments_are_text() -> None:
    """The constructor takes what the file does; without a zone it is UTC."""
    assert calendar("day", zone="Europe/Berlin", grace="1m") == Calendar("day", "Europe/Berlin", grace=60_000)
    assert calendar("month") == Calendar("month", "UTC", grace=10_000)


@pytest.mark.parametrize(
    ("unit", "zone", "message"),
    [
        ("year", "UTC", "the calendar has windows of hour, day, week, month, not 'year'"),
        ("day", "Europe/Berln", "there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ("day", "Europe", "there is no time zone 'Europe'"),
        ("day", "../../etc/passwd", "there is no time zone '../../etc/passwd'; write a name of the IANA database"),
        ("day", "", "there is no time zone ''"),
    ],
)
def test_what_is_refused(unit: str, zone: str, message: str) -> None:
    """What is no unit or no zone is refused, with the one that was probably meant."""
    with pytest.raises(ValueError, match=message.replace("?", r"\?").replace(".", r"\.")):
        calendar(unit, zone=zone)
