"""The alert timeline as one HTML page that needs nothing else: no script, no link, all text escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from streams.backtest.chart import Band, band_title, chart
from streams.backtest.curves import Curve
from streams.backtest.text import lasted, series, short

if TYPE_CHECKING:
    from streams.backtest.curves import Recorder
    from streams.backtest.timeline import Episode

MOST_PANELS = 60
"""Keys of rules that are drawn; the table has them all."""
MOST_ROWS = 2_000
_STYLE = """
body{font:14px/1.5 system-ui,sans-serif;margin:24px auto;max-width:1000px;padding:0 16px;color:#1f2430;background:#fff}
h1{font-size:20px}h2{font-size:15px;margin:28px 0 4px;overflow-wrap:anywhere}p{color:#5a6172;margin:4px 0}
table{border-collapse:collapse;width:100%;font-size:13px}
td,th{text-align:left;padding:3px 8px;border-bottom:1px solid #e4e7ee}
td{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}svg{width:100%;height:auto;display:block}
.grid{stroke:#e9ecf2}.tick{font-size:11px;fill:#5a6172}.name{font-size:12px;fill:#1f2430;font-weight:600}
polyline{fill:none;stroke-width:1.4}.value{stroke:#2457c5}circle.value{fill:#2457c5}
.limit{stroke:#8a3ffc;stroke-dasharray:5 4;stroke-width:1.2}circle.limit{fill:#8a3ffc}
rect.pending{fill:#f5b942;fill-opacity:.35}rect.firing{fill:#e0403a;fill-opacity:.3}
rect.other{fill-opacity:1}rect.other.pending{fill:#c98a0c}rect.other.firing{fill:#9c1c17}
i{display:inline-block;width:12px;height:12px;margin:0 4px 0 14px;vertical-align:-1px}
i.pending{background:#f5b94259}i.firing{background:#e0403a4d}
"""
_OTHER = "<p>The strip at the bottom of each chart is the other declaration.</p>"
_LEGEND = '<p><i class="pending"></i>pending<i class="firing"></i>firing; the dashed line is what is compared with</p>'


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page shows.

    Args:
        title: what was run.
        summary: lines about the run.
        episodes: in order.
        recorder: what the rules compared.
        span: least and greatest event time, in ms.
        others: episodes of another declaration, to compare with; None if there is none.
    """

    title: str
    summary: Sequence[str]
    episodes: Sequence[Episode]
    recorder: Recorder
    span: tuple[int, int]
    others: Sequence[Episode] | None = None

    def html(self) -> str:
        """Return the page."""
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(self.title)}</title>'
            f"<style>{_STYLE}</style></head><body>{''.join(self._body())}</body></html>\n"
        )

    def _body(self) -> Iterator[str]:
        yield f"<h1>{escape(self.title)}</h1>"
        yield from (f"<p>{escape(line)}</p>" for line in self.summary)
        if not self.episodes and not self.others:
            yield "<p>No alert was raised.</p>"
            return
        yield _LEGEND if self.others is None else _LEGEND + _OTHER
        keyed = sorted((*self.episodes, *(self.others or ())), key=_place)
        panels = [list(each) for _, each in groupby(keyed, key=_place)]
        panels.sort(key=lambda panel: (all(each.fired_at is None for each in panel), panel[0].active_at))
        for panel in panels[:MOST_PANELS]:
            yield from self._panel(panel)
        if len(panels) > MOST_PANELS:
            yield f"<p>{len(panels) - MOST_PANELS} more keys are not drawn.</p>"
        yield from _table(self.episodes, self.span[1])

    def _panel(self, episodes: Sequence[Episode]) -> Iterator[str]:
        yield f"<h2>{escape(series(episodes[0]))}</h2>"
        others = {id(each) for each in self.others or ()}
        bands = [band for each in episodes for band in _bands(each, self.span[1], other=id(each) in others)]
        none = np.empty(0)
        curves = list(self.recorder.curves(*_place(episodes[0])))
        for curve in curves or [Curve("", "", "", none.astype(np.int64), none, none, 0.0)]:
            yield chart(curve, bands, self.span)


def _place(episode: Episode) -> tuple[str, int, bytes]:
    return episode.rule, episode.partition, episode.key


def _bands(episode: Episode, end: int, *, other: bool) -> Iterator[Band]:
    until, fired = episode.until(end), episode.fired_at
    if fired is None or fired > episode.active_at:
        stop = until if fired is None else fired
        ended = episode.ended_at if fired is None else fired
        title = band_title("pending", episode.active_at, ended)
        yield Band("pending", episode.active_at, stop, title, other)
    if fired is not None:
        yield Band("firing", fired, until, band_title("firing", fired, episode.ended_at), other)


def _table(episodes: Sequence[Episode], end: int) -> Iterator[str]:
    names = ("alert", "pending since", "firing", "resolved", "lasted")
    yield f"<h2>Timeline</h2><table><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>"
    for episode in episodes[:MOST_ROWS]:
        ended = None if episode.fired_at is None else episode.ended_at
        times = (short(episode.active_at), short(episode.fired_at), short(ended), lasted(episode, end))
        cells = "".join(f"<td>{escape(text)}</td>" for text in (series(episode), *times))
        yield f"<tr>{cells}</tr>"
    yield "</table>"
    if len(episodes) > MOST_ROWS:
        yield f"<p>{len(episodes) - MOST_ROWS} more are in the JSON.</p>"
