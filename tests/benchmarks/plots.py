"""Plots as SVG, written by hand: bars by value, and lines over a logarithmic or plain axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any

BAR, GAP, LEFT, WIDTH = 18, 8, 300, 420
HEIGHT, MARGIN, LEGEND = 240, 50, 180
COLOURS = ("#3b6ea5", "#c4622d", "#4b8b4b", "#8a5aa5", "#a58a2d", "#5a5a5a")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, one per row.

    Args:
        label: columns that name a bar.
        value: column that is its length.
        logarithmic: whether length goes by the logarithm.
    """

    label: tuple[str, ...]
    value: str
    logarithmic: bool = False


@dataclass(frozen=True)
class Lines:
    """Lines over one axis, one per column; the upright axis begins at 0.

    Args:
        x: column of the horizontal axis.
        y: columns to draw.
        unit: of the upright axis.
        logarithmic: whether the horizontal axis is.
    """

    x: str
    y: tuple[str, ...]
    unit: str
    logarithmic: bool = False


def draw(title: str, rows: Rows, plot: Bars | Lines) -> str:
    """Return the picture of a table."""
    return _bars(title, rows, plot) if isinstance(plot, Bars) else _lines(title, rows, plot)


def _svg(title: str, width: float, height: float, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
    body = "\n".join([f"<title>{escape(title)}</title>", '<rect width="100%" height="100%" fill="white"/>', *parts])
    return f'{head} height="{height:.0f}" font-family="sans-serif" font-size="12">\n{body}\n</svg>\n'


def _bars(title: str, rows: Rows, plot: Bars) -> str:
    shown = [row for row in rows if row[plot.value]]
    most, least = (pick(row[plot.value] for row in shown) for pick in (max, min))
    parts = []
    for number, row in enumerate(shown):
        top, value = GAP + number * (BAR + GAP), row[plot.value]
        share = math.log(value * 2 / least) / math.log(most * 2 / least) if plot.logarithmic else value / most
        name = ", ".join(str(row[each]) for each in plot.label)
        parts += [
            _said(LEFT - 8, top + BAR - 5, name, "end"),
            f'<rect x="{LEFT}" y="{top}" width="{share * WIDTH:.1f}" height="{BAR}" fill="{COLOURS[0]}"/>',
            _said(LEFT + share * WIDTH + 6, top + BAR - 5, f"{value:,.0f}" if value >= 100 else f"{value:.3g}"),
        ]
    note = f"{plot.value}, logarithmic" if plot.logarithmic else plot.value
    height = GAP + len(shown) * (BAR + GAP) + 18
    return _svg(title, LEFT + WIDTH + 100, height, [*parts, _said(LEFT, height - 6, note)])


def _lines(title: str, rows: Rows, plot: Lines) -> str:
    xs = [row[plot.x] for row in rows]
    most = max(row[name] for row in rows for name in plot.y if row[name] is not None) or 1
    place = [math.log(x) if plot.logarithmic else x for x in xs]
    span = (max(place) - min(place)) or 1
    across = [MARGIN + (at - min(place)) / span * WIDTH for at in place]
    floor = HEIGHT - MARGIN
    parts = [f'<path d="M{MARGIN} 10V{floor}H{MARGIN + WIDTH}" fill="none" stroke="#888"/>']
    parts += [_said(at, floor + 16, f"{x:,}", "middle") for at, x in zip(across, xs, strict=True)]
    parts += [_said(MARGIN + WIDTH / 2, HEIGHT - 12, plot.x, "middle"), _said(MARGIN - 6, 18, f"{most:.3g}", "end")]
    parts += [_said(MARGIN - 6, floor, "0", "end"), _said(MARGIN + 6, 18, plot.unit)]
    for number, name in enumerate(plot.y):
        found = [(at, row[name]) for at, row in zip(across, rows, strict=True) if row[name] is not None]
        points = [(at, floor - value / most * (floor - 20)) for at, value in found]
        parts += _line(points, COLOURS[number % len(COLOURS)], name, 20 + 18 * number)
    return _svg(title, MARGIN + WIDTH + LEGEND, HEIGHT, parts)


def _line(points: list[tuple[float, float]], colour: str, name: str, top: float) -> list[str]:
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    left = MARGIN + WIDTH + 16
    legend = [f'<rect x="{left}" y="{top - 9}" width="10" height="10" fill="{colour}"/>', _said(left + 16, top, name)]
    return [f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots, *legend]


def _said(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
