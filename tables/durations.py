"""Durations as Prometheus writes them (`500ms 30s 5m 1h30m 1d 1w`), in whole milliseconds."""

from __future__ import annotations

import re

UNITS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_PATTERN = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")


def parse(text: str) -> int:
    """Return the milliseconds that `text` says, for example 90000 for `1m30s`.

    Raises:
        ValueError: `text` is no duration; a bare number is none, except `0`.
    """
    match = _PATTERN.fullmatch(text)
    if text == "0":
        return 0
    if not match or not text:
        raise ValueError(f"{text!r} is not a duration such as 500ms, 30s, 5m or 1h30m")
    return sum(int(count) * unit for count, unit in zip(match.groups(), UNITS.values(), strict=True) if count)


def render(milliseconds: int) -> str:
    """Return the shortest text that `parse` reads back as `milliseconds`."""
    parts, rest = [], milliseconds
    for name, unit in UNITS.items():
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"
