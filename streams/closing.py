"""Closing windows in order, judging the rules at each, and open rows at the end of a batch.

A step is the closing of one window. Steps without cells at which no alert can change are passed by arithmetic. A write
may be cut between two steps and between two keys of one step; `judged` says how far closing has come.
"""

from __future__ import annotations

from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from streams.rules.judge import limit_key
from streams.rules.rows import Rows
from tables.keys import Named
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
_key = itemgetter(0)


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
            everything: judge all open rows, not only those touched since they were judged: after a restore nobody knows
                which were.
        """
        eager = self._judge.eager and self._engine.progress.watermark > NEVER
        touched = self._cells.folded_windows() if eager and not everything else []
        yield from self._close(touched)
        if eager:
            rows = self._every_row() if everything else self._of(touched)
            yield from self._update(rows)
            if self._engine.ended:
                yield from self._update(self._of(self._revived()))

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

    def _close(self, touched: Windows) -> Iterator[Write]:
        progress = self._engine.progress
        if progress.watermark == NEVER or not self._panes.windowed:
            return
        end = self._panes.open_from(progress.watermark)
        if progress.judged >= (end, ""):  # without asking the alerts, which may be many, at every batch
            return
        for number, codes in touched:  # open rows are judged after this, and these are open no more
            if number < end:
                self._judge.touched(self._cells.keys.keys(codes))
        occupied = iter(self._cells.occupied(self._from, end))
        ahead = next(occupied, None)
        while (window := self._next(ahead, end)) is not None:
            self._engine.stats.closed += ahead == window
            yield from self._step(window)
            progress.judged = (window + 1, "")
            while ahead is not None and ahead <= window:
                ahead = next(occupied, None)
        if progress.judged[0] < end:
            progress.judged = (end, "")

    def _next(self, occupied: int | None, end: int) -> int | None:
        """Return the next window that has to be judged before `end`."""
        window, key = self._engine.progress.judged
        if key or occupied == window:
            return window
        live = self._judge.next_window(window)
        found = [each for each in (occupied, live) if each is not None and each < end]
        return min(found, default=None)

    def _step(self, window: int) -> Iterator[Write]:
        at, key = self._engine.progress.judged
        after = marked_key(key) if key and at == window else None
        if not self._judge.rules and not self._shows:
            yield from self._tell(window, after)
            return
        held, portions = self._judge.none(), 0
        for rows in self._portions(window, after):
            self._engine.on_close(rows)
            self._judge.look(rows, held)
            self._count(len(rows))
            portions += 1
            yield from self._engine.room.pause()
        changes = self._judge.close(window, held, after)
        self._note_limits(window)
        self._count(0)
        items: Iterable[Item] = _keyed(changes)
        if self._shows or self._engine.feeds:
            shown = self._shown([rows] if portions == 1 else self._portions(window, after))
            items = merge(shown, items, key=_key)
        yield from self._apply(items, window)

    def _shown(self, portions: Iterable[Rows]) -> Iterator[Item]:
        """Yield the rows of a window as others are told of them."""
        for rows in portions:
            if self._shows:
                yield from self._engine.emitter.rows(rows)
            else:
                yield from ((key, None) for key in rows.keys)

    def _tell(self, window: int, after: bytes | None) -> Iterator[Write]:
        """Let the rows of a window go to tables that read this one; nobody else looks at them."""
        engine = self._engine
        for keys in self._cells.names(window, after) if engine.feeds else ():
            start = 0
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
        engine, last = self._engine, None
        free, size = engine.cutter.free(engine.draft)
        for key, each in groupby(items, key=_key):
            work = [item for _, item in each]
            free -= len(work)
            if (free < 0 or engine.draft.size > size) and engine.full(work):
                self._reached(window, last)
                yield from engine.send()
                free, size = engine.cutter.free(engine.draft)
                free -= len(work)
            for item in work:
                engine.enter(item)
            last = key
        self._reached(window, last)

    def _reached(self, window: int | None, key: bytes | None) -> None:
        """Note how far a step is judged, if it is one, and any key was."""
        if window is not None and key is not None:
            self._engine.progress.judged = (window, mark(key))

    # open rows

    def _revived(self) -> Windows:
        """Return the open rows of keys whose alert a closed window has just ended: they may hold it up again."""
        ended = self._engine.ended
        names = list(ended) if self._panes.windowed else []
        ended.clear()
        windows = self._cells.occupied(self._from, EVER) if names else []
        return [(k, self._cells.having(k, names)) for k in windows]

    def _every_row(self) -> Iterator[Rows]:
        """Yield all open rows."""
        for window in self._cells.occupied(self._from, EVER):
            yield from self._portions(window)

    def _of(self, windows: Windows) -> Iterator[Rows]:
        """Yield the rows of these windows that are open, to be judged at once: what no rule asks for is left out."""
        cells = self._cells
        for window, codes in windows:
            if window >= self._from:
                yield Rows(window, Named(cells.keys, codes), cells.lazily(window, codes), self._plan.key)

    def _update(self, windows: Iterable[Rows]) -> Iterator[Write]:
        changes = self._judge.update(windows, self._engine.progress.watermark)
        self._count(0)
        yield from self._apply(_keyed(changes), None)

    # rows as events

    def closed_between(self, before: tuple[int, str], judged: tuple[int, str]) -> list[Rows]:
        """Return the final rows of the steps after `before` and up to `judged`, by window."""
        found = []
        for window in self._cells.occupied(before[0], judged[0] + bool(judged[1])):
            after = marked_key(before[1]) if window == before[0] and before[1] else None
            until = marked_key(judged[1]) if window == judged[0] else None
            found += [rows for rows in self._portions(window, after, until) if len(rows)]
        return found

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

    def _portions(self, window: int, after: bytes | None = None, until: bytes | None = None) -> Iterator[Rows]:
        """Yield the rows of a window by key, in portions that fit in memory; between two keys, if they are given."""
        for keys, results in self._cells.portions(window, after, until):
            yield Rows(window, keys, results, self._plan.key)


def mark(key: bytes) -> str:
    """Return how `judged` names a key: after the empty text, which is before every key."""
    return "=" + key.decode("latin-1")


def marked_key(text: str) -> bytes:
    """Return the key that `judged` names."""
    return text[1:].encode("latin-1")


def _keyed(changes: Iterable[Change]) -> list[Item]:
    return [(change.key, change) for change in changes]
