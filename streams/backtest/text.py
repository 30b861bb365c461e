"""The alert timeline as text: one line for each alert, in columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from streams.rules.events import rfc3339
from streams.ruletests.compare import named
from tables.durations import render

if TYPE_CHECKING:
    from streams.backtest.difference import Pair
    from streams.backtest.timeline import Episode

_HEAD = ("ALERT", "PENDING SINCE", "FIRING", "RESOLVED", "LASTED")


def series(episode: Episode) -> str:
    """Return an alert's name and labels as Prometheus writes them."""
    return named(episode.alert, episode.labels)


def short(ms: int | None) -> str:
    """Return a time without milliseconds that are 0; `-` for none."""
    return "-" if ms is None else rfc3339(ms).replace(".000Z", "Z")


def lasted(episode: Episode, end: int) -> str:
    """Return how long an alert fired; with `+` if it still does at `end` (ms)."""
    if episode.fired_at is None:
        return "-"
    duration = render(episode.until(end) - episode.fired_at) if episode.until(end) > episode.fired_at else "0s"
    return duration if episode.ended_at is not None else f"{duration}+"


def timeline(episodes: Sequence[Episode], end: int) -> Iterator[str]:
    """Yield the lines of a timeline; `end` (ms) is where the input ends."""
    yield from _columns([_HEAD, *(_cells(episode, end) for episode in episodes)])


def difference(pairs: Sequence[Pair], end: int) -> Iterator[str]:
    """Yield the lines that show which alerts two declarations raise: `=` both, `~` both, at other times, `-`, `+`."""
    rows: list[tuple[str, ...]] = [("", *_HEAD)]
    for pair in pairs:
        marks = {"changed": ("~ -", "~ +"), "same": ("=", ""), "removed": ("-", ""), "added": ("", "+")}[pair.kind]
        for mark, episode in zip(marks, (pair.before, pair.after), strict=True):
            if mark and episode is not None:
                rows.append((mark, *_cells(episode, end)))
    yield from _columns(rows)


def _cells(episode: Episode, end: int) -> tuple[str, ...]:
    ended = None if episode.fired_at is None else episode.ended_at
    return (
        series(episode), short(episode.active_at), short(episode.fired_at), short(ended), lasted(episode, end)
    )  # fmt: skip


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
