"""Event time against datetime and exact fractions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import reasons
from streams.event_time import LATEST, event_time
from tables.columns import Column, Kind

FAR = np.int64(LATEST)
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
UNITS = st.sampled_from(sorted(PER_SECOND))


def column(kind: Kind, items: list[Any]) -> Column:
    """Return a column without nulls."""
    dtype = {"int": np.int64, "float": np.float64, "bool": np.bool_}.get(kind, object)
    return Column(kind, np.fromiter(items, dtype, len(items)))


def times(made: Column, unit: str | None = None) -> list[int | None]:
    """Return event times with the clock check off, None for bad rows."""
    ms, bad = event_time(made, unit, np.zeros(len(made), np.int64), None)
    wrong = {row for row, _, _ in bad}
    return [None if row in wrong else int(value) for row, value in enumerate(ms)]


def nearest(value: Fraction) -> int:
    """Return the nearest integer, half upwards (the oracle's rounding)."""
    return floor(value + Fraction(1, 2))


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - the zone is drawn apart
            st.integers(-1439, 1439),
            st.text("0123456789", max_size=12),
            st.sampled_from("Tt "),
        ),
        max_size=8,
    )
)
def test_rfc3339_is_what_datetime_says(parts: list[tuple[datetime, int, str, str]]) -> None:
    """Any offset and any number of digits give the nearest millisecond, whatever else is in the batch."""
    texts, expected = [], []
    for moment, minutes, digits, separator in parts:
        zone = timezone(timedelta(minutes=minutes))
        sign, (hours, rest) = "+" if minutes >= 0 else "-", divmod(abs(minutes), 60)
        offset = "Z" if minutes == 0 else f"{sign}{hours:02}:{rest:02}"
        whole = moment.replace(microsecond=0)
        texts.append(f"{whole:%Y-%m-%d}{separator}{whole:%H:%M:%S}{'.' if digits else ''}{digits}{offset}")
        seconds = (whole.replace(tzinfo=zone) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
        expected.append(nearest((seconds + Fraction(int(digits or 0), 10 ** len(digits))) * 1000))
    assert times(column("text", texts)) == [ms if 0 < ms <= LATEST else None for ms in expected]


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "2015-05-17", "2015-05-17T10:05:03", "2015-05-17T10:05:03+0100", "2015-05-17T10:05:03.Z",
        "2015-02-29T10:05:03Z", "2015-13-01T10:05:03Z", "2015-00-01T10:05:03Z", "2015-01-00T10:05:03Z",
        "2015-05-17T24:05:03Z", "2015-05-17T10:60:03Z", "2015-05-17T10:05:61Z", "2015-05-17T10:05:03+24:00",
        "2015-05-17T10:05:03+01:60", "2015-05-17T10:05:03.12a4Z", "2015-05-17T10:05:03.12345aZ", "2015/05/17T10:05:03Z",
        "2015-05-17T10.05.03Z", "-015-05-17T10:05:03Z", "\uff12015-05-17T10:05:03Z",
        "1431857103", "+2015-05-17T10:05:03Z",
        "2015-05-17T10:05:03.1234567890123456789012345678901234567890123456789012345678901234567890Z",
        "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z", "2015-05-17T10:05:03*01:00", "\ud800" * 20,
    ],
)  # fmt: skip
def test_what_is_no_time_is_rejected(text: str) -> None:
    """Text that is not RFC 3339, or not after 1970, is a bad row, and its neighbours are not disturbed."""
    good = "2015-05-17T10:05:03Z"
    assert times(column("text", [good, text, good])) == [1_431_857_103_000, None, 1_431_857_103_000]


def test_leap_days_and_leap_seconds() -> None:
    """29 February is a day of leap years only; a leap second is the next minute's first second."""
    texts = ["2016-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2000-02-29T00:00:00z", "2016-12-31T23:59:60Z"]
    assert times(column("text", texts)) == [1_456_704_000_000, None, 951_782_400_000, 1_483_228_800_000]


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1)), UNITS)
def test_integers_of_a_fixed_unit_are_exact(values: list[int], unit: str) -> None:
    """The result is value * 1000 / units per second, rounded to the nearest, without overflow."""
    expected = [nearest(Fraction(value * 1000, PER_SECOND[unit])) for value in values]
    assert times(column("int", values), unit) == [ms if 0 < ms <= LATEST else None for ms in expected]


@given(st.lists(st.floats()), UNITS)
def test_floats_of_a_fixed_unit(values: list[float], unit: str) -> None:
    """As integers, up to what a float can tell; NaN and infinity are rejected."""
    for value, ms in zip(values, times(column("float", values), unit), strict=True):
        if not np.isfinite(value):
            assert ms is None
            continue
        exact = Fraction(value) * 1000 / PER_SECOND[unit]
        if ms is None:
            assert nearest(exact) <= 0 or nearest(exact) >= LATEST
        else:
            assert abs(ms - exact) <= Fraction(1, 2) + abs(exact) / (1 << 52)


@pytest.mark.parametrize("kind", ["int", "float", "any"])
def test_the_size_of_a_number_tells_its_unit(kind: Kind) -> None:
    """Below 1e11 s, below 1e14 ms, below 1e17 us, else ns; the edges belong to the finer unit."""
    values = [1, 99_999_999_999, 100_000_000_000, 10**14 - 1, 10**14, 10**17 - 16, 10**17, 1_732_275_600_123_000_000]
    convert = float if kind == "float" else int
    assert times(column(kind, [convert(value) for value in values])) == [
        1_000, 99_999_999_999_000, 100_000_000_000, 10**14 - 1, 10**11, 10**14, 10**11, 1_732_275_600_123,
    ]  # fmt: skip


def test_mixed_and_any_columns_go_by_each_value() -> None:
    """Integers, floats and texts side by side are each read as what they are; what is none of these is rejected."""
    ints, integer = np.array([1_732_275_600, 0]), np.array([True, False])
    mixed = Column("mixed", np.array([1_732_275_600.0, 1_732_275_600.25]), None, ints, integer)
    assert times(mixed) == [1_732_275_600_000, 1_732_275_600_250]
    items = [1_732_275_600, 1_732_275_600.25, "2024-11-22T11:40:00Z", True, [], 1 << 70]
    assert times(column("any", items)) == [1_732_275_600_000, 1_732_275_600_250, 1_732_275_600_000, None, None, None]
    assert times(column("bool", [True])) == [None]


def test_null_has_no_event_time() -> None:
    """A missing time is a bad row, whatever filler stands in the column."""
    made = Column("int", np.array([1_732_275_600, 1_732_275_600]), np.array([False, True]))
    _, bad = event_time(made, None, np.array([FAR, FAR]), 0)
    assert [(row, reason) for row, reason, _ in bad] == [(1, reasons.BAD_TIME)]


def test_a_clock_ahead_of_the_log_is_rejected() -> None:
    """At most `max_ahead` after the record's own Kafka timestamp; without a timestamp or a limit, anything goes."""
    made = column("int", [1_732_275_601_000, 1_732_275_601_001, 1_732_275_601_001])
    stamps = np.array([1_732_275_600_000, 1_732_275_600_000, -1])
    _, bad = event_time(made, "ms", stamps, 1_000)
    assert [(row, reason) for row, reason, _ in bad] == [(1, reasons.TIME_TOO_FAR_AHEAD)]
    assert event_time(made, "ms", stamps, None)[1] == []


def test_without_a_field_it_is_the_kafka_timestamp() -> None:
    """Kafka's own timestamps are taken, and those that are none rejected."""
    ms, bad = event_time(None, None, np.array([1_732_275_600_000, -1]), 0)
    assert ms[0] == 1_732_275_600_000
    assert [(row, reason) for row, reason, _ in bad] == [(1, reasons.BAD_TIME)]


def test_messages_hold_the_value() -> None:
    """A person sees what was in the field."""
    _, bad = event_time(column("text", ["yesterday"]), None, np.array([FAR]), 0)
    assert "'yesterday'" in bad[0][2]


@pytest.mark.parametrize(
    ("unit", "value", "ms"), [("ms", 5000.5, 5001), ("us", 5_000_500.0, 5001), ("s", 5.0005, 5001)]
)
def test_small_floats_of_a_fixed_unit(unit: str, value: float, ms: int) -> None:
    """A unit that is said counts also for numbers that would be seconds by their size."""
    assert times(column("float", [value]), unit) == [ms]
