"""Event time: what a field says, in whole milliseconds, checked against the clock of the log."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams import reasons
from streams.rfc3339 import milliseconds
from tables.columns import Column
from tables.reductions import every, greatest, least

Ints = NDArray[np.int64]
Bad = tuple[int, str, str]
"""A row that has no event time: its index, a reason code, a sentence for people."""

LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999."""
_WRONG = -1
_UP_TO = ((100_000_000_000, "s"), (100_000_000_000_000, "ms"), (100_000_000_000_000_000, "us"))
_PER_SECOND: Mapping[str, int] = MappingProxyType({"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000})


def event_time(
    column: Column | None, unit: str | None, timestamps: Ints, max_ahead: int | None
) -> tuple[Ints, list[Bad]]:
    """Return the event time of each row, and the rows that have none.

    A time is RFC 3339 text or a number since the epoch: below 1e11 seconds, below 1e14 ms, below 1e17 us, else ns,
    unless `unit` says what it is. Fractions are rounded to the nearest ms, half upwards; integers are exact.

    Args:
        column: the time field over n rows; None takes the records' Kafka timestamps.
        unit: `s`, `ms`, `us` or `ns`; None lets a number's size tell.
        timestamps: shape (n,), Kafka timestamps in ms; negative where a record has none.
        max_ahead: ms that event time may lie ahead of the Kafka timestamp; None is no limit.

    Returns:
        int64 of shape (n,), ms since the epoch (meaningless for bad rows); the bad rows, by index.
    """
    ms = timestamps if column is None else _column_ms(column, unit)
    if _all_right(ms, None if column is None else max_ahead, timestamps):
        return ms, []
    wrong = (ms <= 0) | (ms > LATEST)
    ahead = np.zeros(len(ms), bool)
    if column is not None and max_ahead is not None:
        ahead = ~wrong & (timestamps >= 0) & (ms > timestamps + max_ahead)
    return ms, [_bad(row, ms, column, timestamps) for row in np.flatnonzero(wrong | ahead).tolist()]


def _all_right(ms: Ints, max_ahead: int | None, timestamps: Ints) -> bool:
    """Return whether it is plain that no row is wrong; what is not plain is looked at row by row."""
    if not len(ms) or least(ms) <= 0 or greatest(ms) > LATEST:
        return False
    return max_ahead is None or every(ms - max_ahead <= timestamps)


def _bad(row: int, ms: Ints, column: Column | None, timestamps: Ints) -> Bad:
    if column is None:
        return row, reasons.BAD_TIME, f"the record's Kafka timestamp {timestamps[row]} is no time after 1970"
    if column.null is not None and column.null[row]:
        return row, reasons.BAD_TIME, "the time field is missing or null"
    value = column.take(np.array([row])).tolist()[0]
    if ms[row] <= 0 or ms[row] > LATEST:
        return row, reasons.BAD_TIME, f"{value!r:.100} is not an RFC 3339 time or a number in 1970 to 9999"
    ahead = (int(ms[row]) - int(timestamps[row])) / 1000
    return row, reasons.TIME_TOO_FAR_AHEAD, f"{value!r:.100} is {ahead:.0f} s later than the record's Kafka timestamp"


def _column_ms(column: Column, unit: str | None) -> Ints:
    """Return ms of each row; 0 or less, or beyond `LATEST`, where the value is no time."""
    match column.kind:
        case "int":
            ms = _from_ints(column.values, unit)
        case "float":
            ms = _from_floats(column.values, unit)
        case "mixed":
            whole = column.integer if column.integer is not None else np.zeros(len(column), bool)
            ms = _from_floats(column.values, unit)
            ms[whole] = _from_ints(_ints(column)[whole], unit)
        case "text":
            ms = _from_texts(column.values.tolist())
        case "any":
            ms = _from_any(column.values.tolist(), unit)
        case "bool":
            ms = np.full(len(column), _WRONG, np.int64)
    return ms if column.null is None else np.where(column.null, _WRONG, ms)


def _ints(column: Column) -> Ints:
    return column.values if column.ints is None else column.ints


def _from_ints(values: Ints, unit: str | None) -> Ints:
    if unit == "s":
        return np.where((values > 0) & (values <= LATEST // 1000), values, _WRONG) * 1000
    if unit == "ms":
        return values.copy()
    if unit is not None:
        return _divided(values, _PER_SECOND[unit] // 1000)
    choices = [_from_ints(values, name) for _, name in _UP_TO]
    return np.select([values < limit for limit, _ in _UP_TO], choices, _from_ints(values, "ns"))


def _divided(values: Ints, by: int) -> Ints:
    """Return the quotients rounded to the nearest, half upwards, without overflow."""
    return values // by + (values % by * 2 >= by)


def _from_floats(values: NDArray[np.float64], unit: str | None) -> Ints:
    if unit is None and len(values) and greatest(values) < _UP_TO[0][0]:
        unit = "s"
    # One correctly rounded step each, so that halves stay halves.
    with np.errstate(over="ignore"):
        if unit is None:
            limits = [values < limit for limit, _ in _UP_TO]
            scaled = values * np.where(limits[0], 1000.0, 1.0) / np.select(limits, [1.0, 1.0, 1e3], 1e6)
        else:
            scaled = values * 1000 if unit == "s" else values / (_PER_SECOND[unit] // 1000)
    if not (len(scaled) and least(scaled) > 0 and greatest(scaled) <= LATEST):
        scaled = np.where((scaled > 0) & (scaled <= LATEST), scaled, _WRONG)
    ms: Ints = np.floor(scaled + 0.5).astype(np.int64)
    return ms


def _from_texts(texts: list[str]) -> Ints:
    ms, valid = milliseconds(texts)
    return np.where(valid, ms, _WRONG)


def _from_any(items: list[Any], unit: str | None) -> Ints:
    """Return ms where texts and numbers stand side by side."""
    ms = np.full(len(items), _WRONG, np.int64)
    texts = [row for row, item in enumerate(items) if isinstance(item, str)]
    ms[texts] = _from_texts([items[row] for row in texts])
    whole = [row for row, item in enumerate(items) if type(item) is int and abs(item) < 1 << 63]
    ms[whole] = _from_ints(np.array([items[row] for row in whole], np.int64), unit)
    floats = [row for row, item in enumerate(items) if isinstance(item, float)]
    ms[floats] = _from_floats(np.array([items[row] for row in floats], np.float64), unit)
    return ms
