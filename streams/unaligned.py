"""Closing windows of which each key has its own, judging the rules at each, and open rows at the end of a batch.

It is to unaligned windows what `streams.closing` is to those that all keys share. `judged` is (end, key): every window
up to it is judged, and whatever time alone changes in an alert. A write may be cut between any two of them.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import starmap
from typing import TYPE_CHECKING

import numpy as np

from streams.closing import mark
from streams.rules.rows import Rows, Span
from tables.records import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.effects import Event, Write
    from streams.rules.own import OwnJudge, Step
    from streams.rules.rule import Change
    from streams.table_engine import TableEngine
    from tables.aggregates.base import Rows as StateRows
    from tables.unaligned.cells import UnalignedCells

AT_ONCE = 20_000
"""Windows of which the rows are in memory at once."""
REPLACED = "replaced"
"""Why the row of a window is withdrawn that is no longer one."""


class UnalignedCloser:
    """Closes the unaligned windows of one table partition.

    Args:
        engine: whose progress and draft it works on.
        cells: of the table partition.
        judge: its rules.
    """

    def __init__(self, engine: TableEngine, cells: UnalignedCells, judge: OwnJudge) -> None:
        """Keep what every window needs."""
        self._engine, self._plan, self._cells, self._judge = engine, engine.plan, cells, judge
        self._steps = cells.panes
        self._shows = engine.plan.table.emit.when == "close"

    def settle(self, *, everything: bool = False) -> Iterator[Write]:
        """Close what the table's watermark has passed, then judge open rows.

        Args:
            everything: judge all open rows, not only those touched since the last write: after a restore nobody knows
                which were.
        """
        touched = self._cells.touched() if self._judge.eager and not everything else None
        yield from self._close()
        if not self._judge.eager or self._engine.progress.watermark == NEVER:
            return
        self._engine.ended.clear()
        if everything or touched is None:
            touched = self._cells.opened(self._from)
        yield from self._update(self._cells.in_order(touched, self._from))

    def next_close(self) -> int | None:
        """Return the least watermark at which a window closes that has a row, or an alert changes by time."""
        window, due = self._cells.next_number(self._from), self._judge.next_due()
        found = ([] if window is None else [window]) + ([] if due is None else [self._steps.ending_from(due[0])])
        return self._steps.closes_at(min(found)) if found else None

    def last_close(self) -> int | None:
        """Return the watermark at which the last window that has a row closes; None if no open one has."""
        window = self._cells.last_number(self._from)
        return None if window is None else self._steps.closes_at(window)

    @property
    def _from(self) -> int:
        """The first window that is not judged to its end."""
        return self._engine.progress.judged[0]

    # closing

    def _close(self) -> Iterator[Write]:
        progress = self._engine.progress
        until = self._cells.until(progress.watermark)
        if until == NEVER:
            return
        rows = self._cells.closing(self._from, until)
        passed = NEVER if progress.watermark == NEVER else self._steps.open_from(progress.watermark)
        for place, changes, shown in self._judge.judged(self._closing(rows), passed):
            yield from self._apply([*shown, *changes])
            progress.judged = max(progress.judged, (place[0], mark(place[1])))
        if self._from < until:
            progress.judged = (until, "")

    def _closing(self, rows: StateRows) -> Iterator[Step]:
        """Yield the windows that close of which anything follows."""
        for start in range(0, len(rows), AT_ONCE):
            part = self._unjudged(self._rows(rows[start : start + AT_ONCE]))
            self._engine.stats.closed += len(part)
            if not self._judge.rules and not self._shows and not self._engine.feeds:
                continue
            self._engine.on_close(part)
            for rule in self._judge.rules:
                self._engine.stats.judged[rule.plan.id] += len(part)
            shown: list[Event | None] = [None] * len(part) if self._engine.feeds else []
            if self._shows:
                shown = [event for _, event in self._engine.emitter.rows(part)]
            yield from self._judge.steps(part, shown)
            self._count_limited()

    def _unjudged(self, rows: Rows) -> Rows:
        """Return the rows of windows that are not judged: a write may have been cut among those of one number."""
        judged, spans = self._engine.progress.judged, rows.spans or ()
        if not spans or (spans[0].number, mark(rows.keys[0])) > judged:
            return rows
        left = [at for at, span in enumerate(spans) if (span.number, mark(rows.keys[at])) > judged]
        return rows.take(np.array(left, np.intp))

    def _count_limited(self) -> None:
        for rule in self._judge.rules:
            self._engine.stats.limited[rule.plan.id] += rule.limited
            rule.limited = 0

    def _apply(self, work: Sequence[Change | Event | None]) -> Iterator[Write]:
        """Let changes happen, and a row go out, in one write."""
        engine = self._engine
        if work and engine.full(work):
            yield from engine.send()
        for item in work:
            engine.enter(item)

    # open rows

    def _update(self, open_rows: StateRows) -> Iterator[Write]:
        rows = self._rows(open_rows)
        changed: dict[bytes, list[Change]] = defaultdict(list)
        for change in self._judge.update(rows, self._engine.progress.watermark):
            changed[change.key].append(change)
        self._count_limited()
        for changes in changed.values():
            yield from self._apply(changes)

    # rows as events

    def closed_between(self, before: tuple[int, str], judged: tuple[int, str]) -> list[Rows]:
        """Return the final rows of the windows after `before` and up to `judged`, in their order."""
        rows = self._rows(self._cells.closing(before[0], judged[0] + 1))
        places = [(span.number, mark(key)) for span, key in zip(rows.spans or (), rows.keys, strict=True)]
        at = [row for row, place in enumerate(places) if before < place <= judged]
        return [rows.take(np.array(at, np.intp))] if at else []

    def updates(self, n: int, since: int | None = None) -> list[Event]:
        """Return rows that have changed, as write `n` leaves them, each behind those that it takes the place of.

        Args:
            n: number of the write.
            since: all that writes after this one changed; None is what was not written yet.
        """
        emitter, at = self._engine.emitter, self._cells.touched() if since is None else self._cells.changed(since)
        found: list[Event] = []
        for (key, event), gone in zip(emitter.rows(self._rows(at), n), self._cells.retracted(at), strict=True):
            windows = ({"start": start, "end": end} for start, end in gone)
            found += [emitter.withdrawn(window, key, REPLACED, n) for window in windows]
            found.append(event)
        return found

    def closes(self, from_: int, to: int) -> bool:
        """Return whether a window in `[from_, to)` has a row."""
        return bool(len(self._cells.closing(from_, to)))

    def _rows(self, at: StateRows) -> Rows:
        cells = self._cells
        spans = list(starmap(Span, cells.spans(at)))
        return Rows(0, cells.keys_of(at), cells.results(at), self._plan.key, spans)
