"""Closing windows in order, judging the rules at each, and open rows at the end of a batch.

A step is the closing of one window. Steps without cells at which no alert can change are passed by arithmetic. A write
may be cut between two steps and between two keys of one step; `judged` says how far closing has come.
"""

from __future__ import annotations

from bisect import bisect_right
from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from streams.rules.judge import limit_key
from streams.rules.rows import Rows
from tables.records import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.effects import Event, Write
    from streams.rules.judge import PaneJudge
    from streams.rules.rule import Change
    from streams.table_engine import TableEngine
    from tables.cells import Cells
    from tables.keys import Codes

Windows = list[tuple[int, "Codes"]]
Item = tuple[bytes, "Change | Event | None"]
EVER = 1 << 62


class Closer:
    """Closes the windows of one table partition.

    Args:
        engine: whose progress and draft it works on.
        cells: of the table partition.
        judge: its rules.
    """

    def __init__(self, engine: TableEngine, cells: Cells, judge: PaneJudge) -> None:
        """Keep what every step needs."""
        self._engine, self._plan, self._cells, self._judge = engine, engine.plan, cells, judge
        self._panes = cells.panes
        self._shows = engine.plan.table.emit.when == "close"

    def settle(self, *, everything: bool = False) -> Iterator[Write]:
        """Close what the table's watermark has passed, then judge open rows.

        Args:
            everything: judge all open rows, not only those touched since the last write: after a restore nobody knows
                which were.
        """
        touched = self._cells.touched_windows() if self._judge.eager and not everything else []
        yield from self._close()
        if self._judge.eager and self._engine.progress.watermark > NEVER:
            if everything:
                touched = [(k, self._cells.window(k)) for k in self._cells.occupied(self._from, EVER)]
            yield from self._update([(k, codes) for k, codes in touched if k >= self._from])
            yield from self._update(self._revived())

    def next_close(self) -> int | None:
        """Return the least watermark at which a window closes that has a row, or an alert changes by time."""
        if not self._panes.windowed:
            return self._judge.deadline()
        windows = self._cells.occupied(self._from, EVER)[:1]
        live = self._judge.next_window(self._from)
        windows += [] if live is None else [live]
        return self._panes.closes_at(min(windows)) if windows else None

    def last_close(self) -> int | None:
        """Return the watermark at which the last window that has a row closes; None if no open one has."""
        windows = self._cells.occupied(self._from, EVER) if self._panes.windowed else []
        return self._panes.closes_at(windows[-1]) if windows else None

    @property
    def _from(self) -> int:
        """The first window that is not judged to its end."""
        return self._engine.progress.judged[0]

    # closing

    def _close(self) -> Iterator[Write]:
        progress = self._engine.progress
        if progress.watermark == NEVER or not self._panes.windowed:
            return
        end = self._panes.open_from(progress.watermark)
        if progress.judged >= (end, ""):  # without asking the alerts, which may be many, at every batch
            return
        occupied = iter(self._cells.occupied(self._from, end))
        ahead = next(occupied, None)
        while (window := self._next(ahead, end)) is not None:
            yield from self._step(window)
            progress.judged = (window + 1, "")
            while ahead is not None and ahead <= window:
                ahead = next(occupied, None)
        if progress.judged[0] < end:
            progress.judged = (end, "")

    def _next(self, occupied: int | None, end: int) -> int | None:
        """Return the next window that has to be judged before `end`."""
        window, key = self._engine.progress.judged
        if key:
            return window
        live = self._judge.next_window(window)
        found = [each for each in (occupied, live) if each is not None and each < end]
        return min(found, default=None)

    def _step(self, window: int) -> Iterator[Write]:
        codes = self._cells.window(window)
        self._engine.stats.closed += bool(len(codes))
        if not self._judge.rules and not self._shows:
            yield from self._tell(window, codes)
            return
        rows, (at, key) = self._rows(window, codes), self._engine.progress.judged
        after = marked_key(key) if key and at == window else None
        self._engine.on_close(rows)
        changes = self._judge.close(rows, after)
        self._note_limits(window)
        self._count(len(rows))
        shown: Iterable[Item] = self._engine.emitter.rows(rows) if self._shows else ()
        if self._engine.feeds and not self._shows:
            shown = ((key, None) for key in rows.keys)
        new = [item for item in shown if after is None or item[0] > after]
        yield from self._apply(merge(new, _keyed(changes), key=lambda item: item[0]), window)

    def _tell(self, window: int, codes: Codes) -> Iterator[Write]:
        """Let the rows of a window go to tables that read this one; nobody else looks at them."""
        engine = self._engine
        if not engine.feeds:
            return
        keys, (at, key) = self._cells.keys.keys(codes), engine.progress.judged
        start = bisect_right(keys, marked_key(key)) if key and at == window else 0
        while start < len(keys):
            if not engine.cutter.room(engine.draft):
                yield from engine.send()
            stop = min(len(keys), start + engine.cutter.room(engine.draft))
            engine.draft.closed += stop - start
            engine.progress.judged = (window, mark(keys[stop - 1]))
            start = stop

    def _note_limits(self, window: int) -> None:
        """Write down which rules had too many alerts, so that a step that is cut is finished in the same way."""
        for rule in self._judge.rules:
            if rule.over == window:
                self._engine.draft.put(limit_key(rule.plan.id), str(window).encode())

    def _count(self, rows: int) -> None:
        stats = self._engine.stats
        for rule in self._judge.rules:
            stats.judged[rule.plan.id] += rows
            stats.limited[rule.plan.id] += rule.limited
            rule.limited = 0

    def _apply(self, items: Iterable[Item], window: int | None) -> Iterator[Write]:
        """Let changes happen and rows go out, key by key; `window` is the step that is judged, None for open rows."""
        engine = self._engine
        for key, each in groupby(items, key=lambda item: item[0]):
            work = [item for _, item in each]
            if engine.full(work):
                yield from engine.send()
            for item in work:
                engine.enter(item)
            if window is not None:
                engine.progress.judged = (window, mark(key))

    # open rows

    def _revived(self) -> Windows:
        """Return the open rows of keys whose alert a closed window has just ended: they may hold it up again."""
        ended, keys = self._engine.ended, self._cells.keys
        if not ended or not self._panes.windowed:
            ended.clear()
            return []
        codes = np.array([code for key in ended if (code := keys.code(key)) is not None], np.int64)
        ended.clear()
        windows = ((k, self._cells.window(k)) for k in self._cells.occupied(self._from, EVER))
        return [(k, found[np.isin(found, codes)]) for k, found in windows]

    def _update(self, touched: Windows) -> Iterator[Write]:
        windows = [self._rows(window, codes) for window, codes in touched]
        changes = self._judge.update(windows, self._engine.progress.watermark)
        self._count(0)
        yield from self._apply(_keyed(changes), None)

    # rows as events

    def closed_between(self, before: tuple[int, str], judged: tuple[int, str]) -> list[Rows]:
        """Return the final rows of the steps after `before` and up to `judged`, by window."""
        found = []
        for window in self._cells.occupied(before[0], judged[0] + 1):
            codes = self._cells.window(window)
            low = self._behind(codes, before[1]) if window == before[0] else 0
            high = self._behind(codes, judged[1]) if window == judged[0] else len(codes)
            if low < high:
                found.append(self._rows(window, codes[low:high]))
        return found

    def _behind(self, codes: Codes, key: str) -> int:
        """Return how many keys of a window are not after the one that `judged` names."""
        return bisect_right(self._cells.keys.keys(codes), marked_key(key)) if key else 0

    def updates(self, n: int, since: int | None = None) -> list[Event]:
        """Return rows that have changed, as write `n` leaves them.

        Args:
            n: number of the write.
            since: all that writes after this one changed; None is what was not written yet.
        """
        touched = self._cells.touched_windows() if since is None else self._cells.changed_windows(since)
        return [event for k, codes in touched for _, event in self._engine.emitter.rows(self._rows(k, codes), n)]

    def closes(self, from_: int, to: int) -> bool:
        """Return whether a window in `[from_, to)` has a row."""
        return bool(self._cells.occupied(from_, to))

    def _rows(self, window: int, codes: Codes) -> Rows:
        results = self._cells.results(window, codes)
        return Rows(window, self._cells.keys.keys(codes), results, self._plan.key)


def mark(key: bytes) -> str:
    """Return how `judged` names a key: after the empty text, which is before every key."""
    return "=" + key.decode("latin-1")


def marked_key(text: str) -> bytes:
    """Return the key that `judged` names."""
    return text[1:].encode("latin-1")


def _keyed(changes: Iterable[Change]) -> Iterator[Item]:
    return ((change.key, change) for change in changes)
