"""RFC 3339 text to whole milliseconds, many at once: digits are read as columns of bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_SECONDS = 19  # characters of `2006-01-02T15:04:05`
_OFFSET = 6  # characters of `+01:00`
_LONGEST = 64
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_ZERO = ord("0")


def milliseconds(texts: Sequence[str]) -> tuple[Ints, NDArray[np.bool_]]:
    """Return ms since the epoch and whether each text is an RFC 3339 time with an offset.

    `T` and `Z` may be small letters, and a space may stand for `T`. A fraction has any number of digits and is rounded
    to the nearest ms, half upwards, exactly. A leap second (`:60`) is the first second of the next minute.

    Args:
        texts: n texts.

    Returns:
        int64 of shape (n,), 0 where the text is no time; bool of shape (n,).
    """
    ms, valid = np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    data, starts = _joined(texts, lengths)
    for length in np.unique(lengths).tolist():
        if not _SECONDS < length <= _LONGEST:
            continue
        rows = np.flatnonzero(lengths == length)
        chars = _matrix(data, starts, rows, length)
        for zulu in (True, False):
            _fill(ms, valid, rows, chars, zulu=zulu)
    return ms, valid


def _joined(texts: Sequence[str], lengths: Ints) -> tuple[Bytes, Ints]:
    """Return all characters one after the other, one byte each (`?` for what is not ASCII), and where texts start."""
    data = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8)
    return data, np.cumsum(lengths) - lengths


def _matrix(data: Bytes, starts: Ints, rows: NDArray[np.intp], length: int) -> Bytes:
    """Return the characters of these rows, shape (length, rows): one array per position."""
    if len(rows) == len(starts):
        table = data.reshape(len(rows), length)
    else:
        table = data[starts[rows][:, None] + np.arange(length)]
    return np.ascontiguousarray(table.T)


def _fill(ms: Ints, valid: NDArray[np.bool_], rows: NDArray[np.intp], chars: Bytes, *, zulu: bool) -> None:
    """Set the results of the rows that end in `Z` (or, if not `zulu`, in a numeric offset)."""
    last = (chars[-1] | 32) == ord("z")
    mine = last if zulu else ~last
    if not mine.any():
        return
    if not mine.all():
        rows, chars = rows[mine], chars[:, mine]
    end = len(chars) - (1 if zulu else _OFFSET)
    if end < _SECONDS or end == _SECONDS + 1:
        return
    seconds, right = _seconds(chars)
    fraction, fraction_right = _fraction(chars[_SECONDS:end])
    right &= fraction_right
    if not zulu:
        offset, offset_right = _offset(chars[end:])
        seconds -= offset
        right &= offset_right
    ms[rows] = np.where(right, seconds * 1000 + fraction, 0)
    valid[rows] = right


def _number(chars: Bytes) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the numbers that columns of digits make, and where all are digits."""
    total = np.zeros(chars.shape[1], np.int32)
    right = np.ones(chars.shape[1], bool)
    for char in chars:
        digit = char - np.uint8(_ZERO)  # wraps around below "0"
        right &= digit <= 9  # noqa: PLR2004 - a digit
        total = total * 10 + digit
    return total.astype(np.int64), right


def _seconds(chars: Bytes) -> tuple[Ints, NDArray[np.bool_]]:
    """Return seconds since the epoch of `2006-01-02T15:04:05`, and where it is a time."""
    (year, a), (month, b), (day, c) = _number(chars[0:4]), _number(chars[5:7]), _number(chars[8:10])
    (hour, d), (minute, e), (second, f) = _number(chars[11:13]), _number(chars[14:16]), _number(chars[17:19])
    right = a & b & c & d & e & f
    right &= (chars[4] == ord("-")) & (chars[7] == ord("-")) & (chars[13] == ord(":")) & (chars[16] == ord(":"))
    right &= ((chars[10] | 32) == ord("t")) | (chars[10] == ord(" "))
    right &= (month >= 1) & (month <= 12) & (hour <= 23) & (minute <= 59) & (second <= 60)  # noqa: PLR2004 - a clock's
    month = np.where(right, month, 1)
    right &= (day >= 1) & (day <= _month_length(year, month))
    return _days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second, right


def _month_length(year: Ints, month: Ints) -> Ints:
    leap = (month == 2) & (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))  # noqa: PLR2004 - February
    lengths: Ints = _DAYS[month] + leap
    return lengths


def _days(year: Ints, month: Ints, day: Ints) -> Ints:
    """Return days since the epoch in the Gregorian calendar (numpy's own months count them)."""
    months = (year - 1970) * 12 + month - 1
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1


def _fraction(chars: Bytes) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the rounded ms of `.123456`, and where it is a fraction; nothing is 0 ms."""
    if not len(chars):
        return np.zeros(chars.shape[1], np.int64), np.ones(chars.shape[1], bool)
    digits = chars[1:]
    ms, right = _number(digits[:3])
    ms *= 10 ** (3 - len(digits[:3]))
    if len(digits) > 3:  # noqa: PLR2004 - digits finer than a millisecond
        ms += digits[3] >= _ZERO + 5
        right &= ((digits[3:] - np.uint8(_ZERO)) <= 9).all(axis=0)  # noqa: PLR2004 - a digit
    return ms, right & (chars[0] == ord("."))


def _offset(chars: Bytes) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the seconds of `+01:30`, and where it is an offset."""
    (hours, a), (minutes, b) = _number(chars[1:3]), _number(chars[4:6])
    west = chars[0] == ord("-")
    right = a & b & (west | (chars[0] == ord("+"))) & (chars[3] == ord(":")) & (hours <= 23) & (minutes <= 59)  # noqa: PLR2004 - a clock's
    seconds = hours * 3600 + minutes * 60
    return np.where(west, -seconds, seconds), right
