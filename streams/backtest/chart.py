"""One chart as SVG: a curve, its threshold, and the times in which an alert was pending or firing. No script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from streams.rules.events import rfc3339
from tables.durations import UNITS

if TYPE_CHECKING:
    from streams.backtest.curves import Curve, Floats

WIDTH, HEIGHT = 960, 240
LEFT, RIGHT, TOP, BOTTOM = 70, 44, 24, 26
STRIP = 10
MOST_POINTS = 1_500
"""Points of a curve; where there are more, the least and the greatest of each stretch are drawn."""
_COUNTS = {"ms": (100, 500), "s": (1, 5, 15, 30), "m": (1, 5, 15, 30), "h": (1, 3, 6, 12), "d": (1, 2), "w": (1, 4, 13)}
_YEAR = 52 * UNITS["w"]
_STEPS = (*(count * UNITS[unit] for unit, counts in _COUNTS.items() for count in counts), _YEAR, 10 * _YEAR)
_TICKS = 8


@dataclass(frozen=True)
class Band:
    """A stretch of time, in ms, in which an alert was so (`pending` or `firing`).

    One of `other` declaration lies in a strip at the bottom, all others reach over the whole height.
    """

    state: str
    start: int
    end: int
    title: str
    other: bool = False


@dataclass(frozen=True)
class Scale:
    """A linear scale from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)


def chart(curve: Curve, bands: Sequence[Band], span: tuple[int, int]) -> str:
    """Return the SVG of one comparison.

    Args:
        curve: both sides of it.
        bands: of the alert.
        span: least and greatest time, in ms.
    """
    x = Scale(*span, LEFT, WIDTH - RIGHT)
    y = Scale(*_range(curve), HEIGHT - BOTTOM, TOP)
    parts = [
        *_bands(bands, x),
        *_value_axis(y),
        *_time_axis(x),
        *_lines(curve, x, y),
        f'<text class="name" x="{LEFT}" y="14">{escape(curve.text)}</text>',
    ]
    label = escape(f"{curve.text} over time, with pending and firing times")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _range(curve: Curve) -> tuple[float, float]:
    """Return the least and the greatest value to show, with a little room; 0 is shown where it is near."""
    limits = curve.limits if curve.constant is None else np.array([curve.constant])
    values = np.concatenate([curve.values, limits])
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    low = 0.0 if 0 <= low < high / 2 else low
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low if low == 0 else low - room, high + room


def _bands(bands: Iterable[Band], x: Scale) -> Iterator[str]:
    for band in bands:
        left = x(band.start)
        width = max(round(x(band.end) - left, 1), 1.0)
        height = STRIP if band.other else HEIGHT - TOP - BOTTOM
        kind = f"{band.state} other" if band.other else band.state
        yield (
            f'<rect class="{kind}" x="{left}" y="{HEIGHT - BOTTOM - height}" width="{width}" height="{height}">'
            f"<title>{escape(band.title)}</title></rect>"
        )


def _value_axis(y: Scale) -> Iterator[str]:
    step = _nice((y.high - y.low) / 4)
    first = np.ceil(y.low / step) * step
    for value in np.arange(first, y.high, step).tolist():
        at = y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'
        yield f'<text class="tick" x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{round(value, 10):.6g}</text>'


def _time_axis(x: Scale) -> Iterator[str]:
    low, high = int(x.low), int(x.high)
    step = next((each for each in _STEPS if (high - low) / each <= _TICKS), _STEPS[-1])
    form = "%H:%M:%S" if step < UNITS["m"] else "%d %b %H:%M" if step < UNITS["d"] else "%d %b %Y"
    for ms in range(-(-low // step) * step, high + 1, step):
        at = x(ms)
        text = datetime.fromtimestamp(ms / 1000, UTC).strftime(form)
        yield f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        yield f'<text class="tick" x="{at}" y="{HEIGHT - 8}" text-anchor="middle">{text}</text>'


def _lines(curve: Curve, x: Scale, y: Scale) -> Iterator[str]:
    if curve.constant is None:
        yield from _line(curve, curve.limits, "limit", curve.right, x, y)
    else:
        at = y(curve.constant)
        title = escape(f"threshold {curve.right}")
        yield f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"><title>{title}</title></line>'
    yield from _line(curve, curve.values, "value", curve.left, x, y)


def _line(curve: Curve, values: Floats, kind: str, name: str, x: Scale, y: Scale) -> Iterator[str]:  # noqa: PLR0913, PLR0917 - two scales
    times, shown = _thinned(curve.times.astype(np.float64), values)
    gaps = np.flatnonzero(~np.isfinite(shown))
    for start, end in pairwise([-1, *gaps.tolist(), len(shown)]):
        points = list(zip(times[start + 1 : end].tolist(), shown[start + 1 : end].tolist(), strict=True))
        if len(points) == 1:
            yield f'<circle class="{kind}" cx="{x(points[0][0])}" cy="{y(points[0][1])}" r="1.5"/>'
        elif points:
            path = " ".join(f"{x(time)},{y(value)}" for time, value in points)
            yield f'<polyline class="{kind}" points="{path}"><title>{escape(name)}</title></polyline>'


def _thinned(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return at most about `MOST_POINTS` points: of each stretch the least and the greatest, in their order."""
    if len(times) <= MOST_POINTS:
        return times, values
    kept: list[int] = []
    for part in np.array_split(np.arange(len(times)), MOST_POINTS // 2):
        finite = part[np.isfinite(values[part])]
        if len(finite):
            kept += sorted({int(finite[values[finite].argmin()]), int(finite[values[finite].argmax()])})
        else:
            kept.append(int(part[0]))
    return times[kept], values[kept]


def _nice(step: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below `step`."""
    power = 10.0 ** np.floor(np.log10(step))
    return next((float(power * each) for each in (1, 2, 5) if power * each >= step), float(power * 10))


def band_title(state: str, start: int, end: int | None) -> str:
    """Return what a band says when it is pointed at."""
    return f"{state} from {rfc3339(start)} to {'the end of the input' if end is None else rfc3339(end)}"
