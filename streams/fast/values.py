"""JSON values, one after the other: where each ends, and what it is, if it is one that is used (RFC 8259)."""

from __future__ import annotations

import numpy as np

from streams.fast.kinds import FALSE, FLOAT, FLOAT_TEXT, INT, LENGTH_BITS, NULL, TEXT, TRUE, UNSURE
from tables.fast import words
from tables.fast.loop import loop, part

MAX_DEPTH = 60
USED, UNUSED = np.bool_(True), np.bool_(False)
"""Whether a value is; numba compiles a function anew for each `True` and `False`."""
_EXACT_DIGITS = 1 << 53
_EXACT_POWER = 22
_MOST_POWER = 280
_ROOM = 10**17
"""What is below it takes another digit in 64 bits."""
QUOTE, BACKSLASH, COLON, COMMA, BRACE, END_BRACE, BRACKET, END_BRACKET = map(ord, '"\\:,{}[]')
MINUS, PLUS, POINT, ZERO, NINE, LOWER_E, UPPER_E = map(ord, "-+.09eE")
_SPACE = ord(" ")
_SPACES = np.array([byte in b" \t\r\n" for byte in range(256)])
_ESCAPED = np.array([byte in b'"\\/bfnrt' for byte in range(256)])
_WORDS, _EDGES = np.frombuffer(b"nulltruefalse", np.uint8), np.array([0, 4, 8, 13])
_MEANINGS = np.array([NULL, TRUE, FALSE])
_POWERS = np.array([10.0**power for power in range(_EXACT_POWER + 1)])


@part
def space(buffer, at, end):
    """Return the position after white space."""
    while at < end and _SPACES[buffer[np.uint64(at)]]:
        at += 1
    return at


@loop
def _continues(buffer, at, end, count):
    """Return whether `count` continuation bytes of UTF-8 follow."""
    if at + count > end:
        return False
    for place in range(at, at + count):
        if buffer[np.uint64(place)] & 0xC0 != 0x80:
            return False
    return True


@loop
def _character(buffer, at, end):
    """Return the position after a character of two bytes or more (RFC 3629, section 4); -1 if it is none."""
    first = buffer[np.uint64(at)]
    if 0xC2 <= first <= 0xDF:
        return at + 2 if _continues(buffer, at + 1, end, 1) else -1
    if 0xE0 <= first <= 0xEF:
        if not _continues(buffer, at + 1, end, 2):
            return -1
        second = buffer[np.uint64(at + 1)]
        wrong = (first == 0xE0 and second < 0xA0) or (first == 0xED and second > 0x9F)
        return -1 if wrong else at + 3
    if 0xF0 <= first <= 0xF4:
        if not _continues(buffer, at + 1, end, 3):
            return -1
        second = buffer[np.uint64(at + 1)]
        wrong = (first == 0xF0 and second < 0x90) or (first == 0xF4 and second > 0x8F)
        return -1 if wrong else at + 4
    return -1


@part
def text(buffer, at, end, plain):
    """Return the position of the quote that ends a text, which begins at `at`; -1 if it is not sound.

    With `plain` an escape is not sound either, and one by number never is: half a surrogate pair is for msgspec.
    """
    while at < end:
        step = words.first(words.not_plain(words.load(buffer, at)))
        at += step
        if step == words.WIDTH:
            continue
        if at >= end:
            return -1
        byte = buffer[np.uint64(at)]
        if byte == QUOTE:
            return at
        if byte < _SPACE:
            return -1
        if byte == BACKSLASH:
            if plain or at + 1 >= end:
                return -1
            if not _ESCAPED[buffer[np.uint64(at + 1)]]:
                return -1
            at += 2
        else:
            at = _character(buffer, at, end)
            if at < 0:
                return -1
    return -1


@part
def _digits(buffer, at, end, value):
    """Return `value` with the digits that follow behind it, and the position after them; -1 if they are too many."""
    # One by one: numbers are short, and where the next one begins must not wait for a sum.
    while at < end:
        digit = np.int64(buffer[np.uint64(at)]) - ZERO
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit if 0 <= value < _ROOM else np.int64(-1)
        at += 1
    return value, at


@loop
def _exponent(buffer, at, end):
    """Return the exponent that begins behind an `e`, and the position after it; -1 if it is none, or too great."""
    minus = at < end and buffer[np.uint64(at)] == MINUS
    if at < end and (buffer[np.uint64(at)] == MINUS or buffer[np.uint64(at)] == PLUS):
        at += 1
    power, after = _digits(buffer, at, end, np.int64(0))
    if after == at or power < 0 or power > _MOST_POWER:
        return np.int64(0), -1
    return -power if minus else power, after


@part
def _number(buffer, at, end):
    """Return the kind of a number, its value as an integer and as a float, and the position after it.

    The kind is `UNSURE` for what is no number, or too long; `FLOAT_TEXT` where the float is not surely the nearest:
    that it is if its digits fit in 53 bits and its power of ten is exact, so that one multiplication or division rounds
    once (Clinger, How to read floating point numbers accurately, 1990).
    """
    negative = buffer[np.uint64(at)] == MINUS
    start = at + 1 if negative else at
    value, at = _digits(buffer, start, end, np.int64(0))
    if at == start or value < 0 or (at > start + 1 and buffer[np.uint64(start)] == ZERO):
        return UNSURE, np.int64(0), 0.0, at
    whole, power = True, np.int64(0)
    if at < end and buffer[np.uint64(at)] == POINT:
        begin = at + 1
        value, at = _digits(buffer, begin, end, value)
        whole, power = False, np.int64(begin - at)
        if power == 0 or power < -_MOST_POWER:
            return UNSURE, np.int64(0), 0.0, at
    if at < end and (buffer[np.uint64(at)] == LOWER_E or buffer[np.uint64(at)] == UPPER_E):
        more, at = _exponent(buffer, at + 1, end)
        whole, power = False, power + more
        if at < 0:
            return UNSURE, np.int64(0), 0.0, at
    if whole:
        if negative and value == 0:
            return UNSURE, np.int64(0), 0.0, at
        return INT, -value if negative else value, 0.0, at
    if value < 0 or value > _EXACT_DIGITS or power > _EXACT_POWER or power < -_EXACT_POWER:
        return FLOAT_TEXT, np.int64(0), 0.0, at
    real = float(value) / _POWERS[-power] if power < 0 else float(value) * _POWERS[power]
    return FLOAT, np.int64(0), -real if negative else real, at


@loop
def _word(buffer, at, end):
    """Return what `null`, `true` or `false` is, and the position after it; `UNSURE` where it is none of them."""
    for word in range(len(_MEANINGS)):
        begin, stop = _EDGES[word], _EDGES[word + 1]
        if at + stop - begin > end:
            continue
        same = True
        for place in range(begin, stop):
            if buffer[np.uint64(at + place - begin)] != _WORDS[place]:
                same = False
                break
        if same:
            return _MEANINGS[word], at + stop - begin
    return np.int64(UNSURE), at


@part
def scalar(buffer, at, end, used):
    """Return kind and bits of a text, number or word, and the position after it; a kind below 0 is not sound."""
    byte = buffer[np.uint64(at)]
    if byte == QUOTE:
        stop = text(buffer, at + 1, end, used)
        if stop < 0 or stop - at > (1 << LENGTH_BITS):
            return UNSURE, np.int64(0), at
        return TEXT, (np.int64(at + 1) << LENGTH_BITS) | (stop - at - 1), stop + 1
    if byte == MINUS or ZERO <= byte <= NINE:
        kind, whole, real, after = _number(buffer, at, end)
        if kind == INT:
            return INT, whole, after
        if kind == FLOAT:
            return FLOAT, np.float64(real).view(np.int64), after
        return kind, (np.int64(at) << LENGTH_BITS) | (after - at), after
    kind, after = _word(buffer, at, end)
    return kind, np.int64(0), after


@loop
def called_text(buffer, at, end, plain):
    """Do what `text` does: where it need not be part of the loop."""
    return text(buffer, at, end, plain)


@loop
def called_scalar(buffer, at, end, used):
    """Do what `scalar` does: where it need not be part of the loop."""
    return scalar(buffer, at, end, used)


@loop
def skip(buffer, at, end):
    """Return the position after a value that nobody uses; -1 if it is not sound."""
    depth, objects = 0, np.uint64(0)
    while True:
        at = space(buffer, at, end)
        if at >= end:
            return -1
        byte = buffer[np.uint64(at)]
        if byte == BRACE or byte == BRACKET:
            depth += 1
            if depth > MAX_DEPTH:
                return -1
            objects = (objects << np.uint64(1)) | np.uint64(1 if byte == BRACE else 0)
            at = space(buffer, at + 1, end)
            if at >= end:
                return -1
            if buffer[np.uint64(at)] != (END_BRACE if byte == BRACE else END_BRACKET):
                if byte == BRACE:
                    at = name(buffer, at, end)
                    if at < 0:
                        return -1
                continue
        else:
            kind, _, at = called_scalar(buffer, at, end, UNUSED)
            if kind < 0:
                return -1
            if depth == 0:
                return at
            at = space(buffer, at, end)
        # After a value: ends of objects and arrays, then a comma.
        while at < end and (buffer[np.uint64(at)] == END_BRACE or buffer[np.uint64(at)] == END_BRACKET):
            if buffer[np.uint64(at)] != (END_BRACE if objects & np.uint64(1) else END_BRACKET):
                return -1
            objects >>= np.uint64(1)
            depth -= 1
            at += 1
            if depth == 0:
                return at
            at = space(buffer, at, end)
        if at >= end or buffer[np.uint64(at)] != COMMA:
            return -1
        at += 1
        if objects & np.uint64(1):
            at = name(buffer, space(buffer, at, end), end)
            if at < 0:
                return -1


@loop
def name(buffer, at, end):
    """Return the position after a name and its colon; -1 if it is not sound."""
    if at >= end or buffer[np.uint64(at)] != QUOTE:
        return -1
    stop = called_text(buffer, at + 1, end, UNUSED)
    if stop < 0:
        return -1
    at = space(buffer, stop + 1, end)
    return at + 1 if at < end and buffer[np.uint64(at)] == COLON else -1
