"""Where the fields of access log lines lie, for many lines at once: whole arrays, no object a line.

It knows only what servers write most: printable ASCII, no escapes, a user of one word, a time since 1973. A line of
which it is not sure is told apart and left to the pattern of `streams.codecs.nginx`; what it is sure of means exactly
what that pattern makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters, digits

import numpy as np
from numpy.typing import NDArray

from streams.packed import Packed

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
LONGEST = (1 << 24) - 1
"""Bytes of a line; a longer one is left."""
FIRST_TIME = 100_000_000_000
"""Times before it, ms, would read as seconds."""
_PADDING = 64
_SPARSE = 4
"""A buffer that is so many times larger than the values in it is not looked through."""
_QUOTES, _MOST_DIGITS, _LONGEST_METHOD = 8, 18, 10
_SPACE, _QUOTE, _DASH, _BACKSLASH, _ZERO = map(ord, ' "-\\0')
_WHITE = np.array([byte in b" \t\n\r\f\v" for byte in range(256)])
_METHOD_BYTES = (ascii_letters + digits + "!#$%&'*+.^_`|~-").encode()
_METHOD = np.array([byte in _METHOD_BYTES for byte in range(256)])
_FORM = '[00/Aaa/0000:00:00:00 +0000] "'
_MARKS = [(at, ord(mark)) for at, mark in enumerate(_FORM) if mark not in "0Aa+"]
_DIGITS = [at for at, mark in enumerate(_FORM) if mark == "0"]
_LETTERS = [at for at, mark in enumerate(_FORM) if mark in "Aa"]
_SMALL = ord("a") - ord("A")
_NAMES = ("Apr", "Aug", "Dec", "Feb", "Jan", "Jul", "Jun", "Mar", "May", "Nov", "Oct", "Sep")
_MONTHS = np.array([int.from_bytes(name.encode()) for name in _NAMES])
_NUMBERS = np.array([4, 8, 12, 2, 1, 7, 6, 3, 5, 11, 10, 9])
_NINE, _HOUR, _DAY = 9, 3600, 86_400


@dataclass(frozen=True)
class Lines:
    """What was found in n lines.

    Args:
        array: shape (b,), the bytes that positions point to.
        sure: shape (n,), the lines whose fields are known; what follows means nothing for the others.
        texts: start and end of each field of text.
        numbers: status, bytes and time (ms since the epoch), where they are used; -1 for none.
    """

    array: Bytes
    sure: Mask
    texts: dict[str, tuple[Ints, Ints]]
    numbers: dict[str, Ints]


def find(values: Packed | Sequence[bytes | None], names: Sequence[str]) -> Lines:
    """Return where the fields of lines lie.

    Args:
        values: n lines.
        names: the fields that are used, of `streams.codecs.nginx`.
    """
    array, start, end = _laid(values)
    quotes, spaces = _places(array, _QUOTE), _places(array, _SPACE)
    quote = quotes[np.searchsorted(quotes, start) + np.arange(_QUOTES)[:, None]]
    space = spaces[np.searchsorted(spaces, start) + np.arange(3)[:, None]]
    sure = (start < end) & (end - start <= LONGEST) & ~_odd(array, start, end)
    sure &= (space[0] > start) & (space[1] > space[0] + 1) & (space[2] > space[1] + 1)
    sure &= (quote[0] == space[2] + len(_FORM)) & _ends(array, quote, end)
    found = {
        "client": (start, space[0]), "ident": (space[0] + 1, space[1]), "user": (space[1] + 1, space[2]),
        "request": (quote[0] + 1, quote[1]), "referrer": (quote[2] + 1, quote[3]), "agent": (quote[4] + 1, quote[5]),
    }  # fmt: skip
    if not {"method", "path", "protocol"}.isdisjoint(names):
        sure &= _request(array, spaces, found)
    numbers, known = _numbers(array, space[2] + 1, quote, names)
    return Lines(array, sure & known, {name: found[name] for name in names if name in found}, numbers)


def _laid(values: Packed | Sequence[bytes | None]) -> tuple[Bytes, Ints, Ints]:
    """Return the lines in one array with room behind it, where each begins, and ends without white space."""
    if isinstance(values, Packed) and len(values.buffer) > _SPARSE * values.size():
        values = values.tolist()
    if isinstance(values, Packed):
        buffer, start, length = values.buffer, values.start, np.maximum(values.length, 0)
    else:
        parts = [value or b"" for value in values]
        buffer, length = b"".join(parts), np.fromiter(map(len, parts), np.int64, len(parts))
        start = np.cumsum(length) - length
    array, end = np.frombuffer(buffer + bytes(_PADDING), np.uint8), start + length
    for _ in "\r\n":
        end = end - (_WHITE[array[end - 1]] & (start < end))
    return array, start, end


def _places(array: Bytes, byte: int) -> Ints:
    """Return where a byte stands, and then, for those who look beyond the last, the beginning of the room behind."""
    return np.append(np.flatnonzero(array == byte), [len(array) - _PADDING] * _QUOTES)


def _odd(array: Bytes, start: Ints, end: Ints) -> Mask:
    """Return which lines have an escape, or a byte that is not printable ASCII."""
    odd: Ints = np.flatnonzero(
        (array[:-_PADDING] - np.uint8(_SPACE) > ord("~") - _SPACE) | (array[:-_PADDING] == _BACKSLASH)
    )
    found: Mask = np.searchsorted(odd, start) != np.searchsorted(odd, end)
    return found


def _ends(array: Bytes, quote: Ints, end: Ints) -> Mask:
    """Return which lines end with the second, or the third, of the quoted fields behind the numbers."""
    two = (array[quote[3] + 1] == _SPACE) & (quote[4] == quote[3] + 2)
    more = (array[quote[5] + 1] == _SPACE) & (quote[6] == quote[5] + 2) & (quote[7] == end - 1)
    found: Mask = two & ((quote[5] == end - 1) | more)
    return found


def _request(array: Bytes, spaces: Ints, found: dict[str, tuple[Ints, Ints]]) -> Mask:
    """Add the parts of request lines; return which lines are `METHOD path HTTP/version`."""
    begin, end = found["request"]
    first, second, third = spaces[np.searchsorted(spaces, begin - 1) + np.arange(3)[:, None]]
    known: Mask = (first > begin) & (first <= begin + _LONGEST_METHOD) & (second < end) & (third > end)
    for at in range(_LONGEST_METHOD):
        known &= _METHOD[array[begin + at]] | (begin + at >= first)
    version = second + 1 + len("HTTP/")
    for at, mark in enumerate(b"HTTP/"):
        known &= array[second + 1 + at] == mark
    minor = (end == version + 3) & (array[version + 1] == ord(".")) & _is_digit(array[version + 2])
    known &= _is_digit(array[version]) & ((end == version + 1) | minor)
    found |= {"method": (begin, first), "path": (first + 1, second), "protocol": (second + 1, end)}
    return known


def _numbers(array: Bytes, bracket: Ints, quote: Ints, names: Sequence[str]) -> tuple[dict[str, Ints], Mask]:
    """Return the numbers that are used, and which lines have time, status and bytes in their places."""
    form = array[bracket + np.arange(len(_FORM))[:, None]]
    time, known = _time(form, used="time" in names)
    after = quote[1] + len('" 200 ')
    known &= (array[quote[1] + 1] == _SPACE) & (array[after - 1] == _SPACE) & (array[quote[2] - 1] == _SPACE)
    status, three_digits = _integer(array, quote[1] + 2, after - 1)
    size, digits = _integer(array, after, quote[2] - 1)
    none = (quote[2] - 1 == after + 1) & (array[after] == _DASH)
    found = {"time": time, "status": status, "bytes": np.where(none, -1, size)}
    return {name: found[name] for name in names if name in found}, known & three_digits & (digits | none)


def _integer(array: Bytes, start: Ints, end: Ints) -> tuple[Ints, Mask]:
    """Return integers of 1 to 18 digits, and which are ones."""
    width = end - start
    known = (width >= 1) & (width <= _MOST_DIGITS)
    value = np.zeros(len(start), np.int64)
    for at in range(min(int(width.max(initial=0)), _MOST_DIGITS)):
        within = at < width
        digit = array[np.where(within, start + at, start)] - np.uint8(_ZERO)
        known &= (digit <= _NINE) | ~within
        value = np.where(within, value * 10 + digit, value)
    return value, known


def _time(form: Bytes, *, used: bool) -> tuple[Ints, Mask]:
    """Return times in ms, of shape (n,), and which are sound.

    Args:
        form: shape (30, n), from the bracket to the quote of the request.
        used: whether the time is asked for; if not, only its form counts.
    """
    known = np.ones(form.shape[1], bool)
    for at, mark in _MARKS:
        known &= form[at] == mark
    for at in _DIGITS:
        known &= _is_digit(form[at])
    for at in _LETTERS:
        known &= (form[at] | np.uint8(_SMALL)) - np.uint8(ord("a")) <= ord("z") - ord("a")
    ahead = form[22] == ord("+")
    known &= ahead | (form[22] == _DASH)
    if not used:
        return np.empty(0, np.int64), known
    day, year, hour, minute, second, zone_hour, zone_minute = (
        _decimal(form[a:b]) for a, b in ((1, 3), (8, 12), (13, 15), (16, 18), (19, 21), (23, 25), (25, 27))
    )
    name = form[4].astype(np.int64) << 16 | form[5].astype(np.int64) << 8 | form[6]
    place = np.searchsorted(_MONTHS, name).clip(max=len(_MONTHS) - 1)
    months = (year - 1970) * 12 + _NUMBERS[place] - 1
    first, after = _days(months), _days(months + 1)
    behind = (zone_hour * 60 + zone_minute) * np.where(ahead, 60, -60)
    clock = hour * _HOUR + minute * 60 + second
    time = ((first + day - 1) * _DAY + clock - behind) * 1000
    known &= (_MONTHS[place] == name) & (day >= 1) & (day <= after - first) & (time >= FIRST_TIME)
    known &= (hour * _HOUR < _DAY) & (minute * 60 < _HOUR) & (second * 60 < _HOUR) & (np.abs(behind) < _DAY)
    return time, known


def _days(months: Ints) -> Ints:
    """Return the days since 1970 at which months begin."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _decimal(digits: Bytes) -> Ints:
    """Return numbers from their digits, shape (d, n)."""
    value = np.zeros(digits.shape[1], np.int64)
    for row in digits:
        value = value * 10 + row - _ZERO
    return value


def _is_digit(byte: Bytes) -> Mask:
    return byte - np.uint8(_ZERO) <= _NINE
