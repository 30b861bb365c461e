"""Rows as events: the final row of each window and key, or each update of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING

import msgspec

from streams.effects import Event
from streams.rules.events import window_of
from tables.keys import key_values

if TYPE_CHECKING:
    from streams.planned import TablePlan
    from streams.rules.rows import Rows
    from tables.windows import Steps

    Window = dict[str, int] | None
    Headers = tuple[tuple[str, bytes], ...]

_encode = msgspec.json.Encoder().encode


class Emitter:
    """Makes the events of one table's rows.

    The record key is the table key. The value is a JSON object: the key fields (`.` is `_`), `window` with `start` and
    `end` in ms (null without window), and the columns. The headers `start` and `end` say the window too, and `n`, for
    updated rows, the number of the write: of several with the same window and key the greatest counts. Windows of a
    number of rows have a `number` beside `start` and `end`, for several of a key may lie at one time. A row that is
    withdrawn is a tombstone with the headers of its window, and `reason`. Where windows follow the rows (sessions), one
    that was sent and is none any more is withdrawn in front of what took its place, with `n` too.

    Args:
        plan: of the table.
        panes: of the table.
    """

    def __init__(self, plan: TablePlan, panes: Steps) -> None:
        """Keep what is the same for all rows."""
        self._topic = plan.emit_topic or ""
        self._labels = [label for label, _ in plan.key_labels]
        self._panes = panes

    def rows(self, rows: Rows, n: int | None = None) -> Iterator[tuple[bytes, Event]]:
        """Yield (key, event) for each row; `n` for updated rows."""
        for key, values, (window, headers) in zip(rows.keys, rows.values(), self._windows(rows, n), strict=True):
            fields = dict(zip(self._labels, key_values(key, len(self._labels)), strict=True))
            yield key, Event(self._topic, key, _encode({**fields, "window": window, **values}), headers)

    def withdrawn(self, window: Window, key: bytes, reason: str, n: int | None = None) -> Event:
        """Return the tombstone of a row that was emitted and counts no more, with the headers of its window.

        Args:
            window: its start and end.
            key: table key.
            reason: why, for the header of that name.
            n: number of the write that withdraws an updated row; None for a final one.
        """
        return Event(self._topic, key, None, (*_headers(window, n), ("reason", reason.encode())))

    def _windows(self, rows: Rows, n: int | None) -> Iterable[tuple[Window, Headers]]:
        """Return the window of each row, as value and headers say it."""
        if rows.spans is None:
            window = window_of(self._panes, rows.window)
            return repeat((window, _headers(window, n)), len(rows))
        windows = (span.window for span in rows.spans)
        return ((window, _headers(window, n)) for window in windows)


def _headers(window: Window, n: int | None) -> Headers:
    headers = tuple((name, str(ms).encode()) for name, ms in (window or {}).items())
    return headers + (() if n is None else (("n", str(n).encode()),))
