"""Rows as events: the final row of each window and key, or each update of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from streams.effects import Event
from streams.rules.events import window_of
from tables.keys import key_values

if TYPE_CHECKING:
    from streams.planned import TablePlan
    from streams.rules.rows import Rows
    from tables.windows import Panes

_encode = msgspec.json.Encoder().encode


class Emitter:
    """Makes the events of one table's rows.

    The record key is the table key. The value is a JSON object: the key fields (`.` is `_`), `window` with `start` and
    `end` in ms (null without window), and the columns. The headers `start` and `end` say the window too, and `n`, for
    updated rows, the number of the write: of several with the same window and key the greatest counts. A row that is
    withdrawn is a tombstone with the headers of its window, and `reason`.

    Args:
        plan: of the table.
        panes: of the table.
    """

    def __init__(self, plan: TablePlan, panes: Panes) -> None:
        """Keep what is the same for all rows."""
        self._topic = plan.emit_topic or ""
        self._labels = [label for label, _ in plan.key_labels]
        self._panes = panes

    def rows(self, rows: Rows, n: int | None = None) -> Iterator[tuple[bytes, Event]]:
        """Yield (key, event) for each row; `n` for updated rows."""
        window = window_of(self._panes, rows.window)
        headers = self._headers(window)
        headers += () if n is None else (("n", str(n).encode()),)
        for key, values in zip(rows.keys, rows.values(), strict=True):
            fields = dict(zip(self._labels, key_values(key, len(self._labels)), strict=True))
            yield key, Event(self._topic, key, _encode({**fields, "window": window, **values}), headers)

    def withdrawn(self, window: int, key: bytes, reason: str) -> Event:
        """Return the tombstone of a row that was emitted and counts no more, with the headers of its window.

        Args:
            window: its number.
            key: table key.
            reason: why, for the header of that name.
        """
        headers = self._headers(window_of(self._panes, window))
        return Event(self._topic, key, None, (*headers, ("reason", reason.encode())))

    @staticmethod
    def _headers(window: dict[str, int] | None) -> tuple[tuple[str, bytes], ...]:
        return tuple((name, str(ms).encode()) for name, ms in (window or {}).items())
