"""Test a declaration without a broker: the worker's own engine, planner and codecs, with the clock under control.

Example:
    >>> harness = Harness("ops.yaml")
    >>> harness.feed("web.access", {"host": "a", "status": 500, "ts": 1_700_000_000})
    >>> harness.advance("10m")
    >>> harness.alerts()
"""

from __future__ import annotations

from streams.testing.harness import Harness
from streams.testing.results import AlertState, Emitted, TableRow, TableView

__all__ = ["AlertState", "Emitted", "Harness", "TableRow", "TableView"]
