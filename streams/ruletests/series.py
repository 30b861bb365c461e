"""Prometheus' notation of series: `0+10x10 _ 5 stale` and so on.

Source: Prometheus documentation, "Unit testing for rules": `a+bxn` is a, a+b, ... a+n*b (n + 1 numbers), `a-bxn` the
same downwards, `axn` n + 1 times a, `_` no number, `_xn` n times none, `stale` the end of a series.
"""

from __future__ import annotations

import math
import re

from streams.ruletests.spec import MOST_RECORDS, Number

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_ITEM = re.compile(rf"(?P<first>[-+]?{_NUMBER})(?:(?P<step>[-+]{_NUMBER})(?=x))?(?:x(?P<times>\d{{1,9}}))?")
_GAP = re.compile(r"_(?:x(\d{1,9}))?")


def parse(text: str) -> tuple[Number | None, ...]:
    """Return the numbers that a series notation says; None where there is none (`_`, `stale`).

    Raises:
        ValueError: it is no such notation, or says too many numbers.
    """
    found: list[Number | None] = []
    for item in text.split():
        found += _item(item, MOST_RECORDS - len(found))
    return tuple(found)


def _item(item: str, most: int) -> list[Number | None]:
    if item == "stale":
        return [None]
    if gap := _GAP.fullmatch(item):
        return [None] * _room(int(gap[1] or 1), most)
    match = _ITEM.fullmatch(item)
    if match is None:
        histogram = "; histograms are not numbers" if "{" in item else ""
        raise ValueError(f"{item!r} is not a series such as 0+10x10, 5x3, 1, _ or stale{histogram}")
    first, step = _number(match["first"]), _number(match["step"] or "0")
    times = _room(int(match["times"] or 0) + 1, most)
    return [first + index * step for index in range(times)]


def _room(times: int, most: int) -> int:
    if times > most:
        raise ValueError(f"a series may have at most {MOST_RECORDS:,} numbers")
    return times


def _number(text: str) -> Number:
    try:
        return int(text)
    except ValueError:
        number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large for a number")
    return number
