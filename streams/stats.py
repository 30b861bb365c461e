"""What the engine counts of its own work: plain integers, read by the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tables.written import Written


@dataclass(slots=True)
class StreamStats:
    """Counters of one input partition since it was opened.

    Args:
        records: records that were decoded, good and bad.
        bytes: of their values.
        filtered: records that the stream's `where` dropped.
        dead: dead letters by reason.
    """

    records: int = 0
    bytes: int = 0
    filtered: int = 0
    dead: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class TableStats:
    """Counters of one table partition since it was opened.

    Args:
        folded: rows that were folded into at least one open window.
        skipped: rows that an earlier life had folded already.
        filtered: rows that the table's `where` dropped.
        late: rows that were late for all their windows.
        repeated: rows that were dropped because a row with their key and id was counted before.
        dead: dead letters by reason.
        writes: changelog writes.
        records: changelog records, progress and tombstones among them.
        bytes: of their keys and values.
        tombstones: cells that were expired.
        closed: windows that were closed and held a row.
        rows: rows that were emitted.
        judged: rows that were judged, by rule.
        alerts: alert events, by (rule, status).
        limited: judgements in which a rule had more alerts than its `limit`, so that all were dropped, by rule.
    """

    folded: int = 0
    skipped: int = 0
    filtered: int = 0
    late: int = 0
    repeated: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    writes: int = 0
    records: int = 0
    bytes: int = 0
    tombstones: int = 0
    closed: int = 0
    rows: int = 0
    judged: Counter[str] = field(default_factory=Counter)
    alerts: Counter[tuple[str, str]] = field(default_factory=Counter)
    limited: Counter[str] = field(default_factory=Counter)

    def wrote(self, records: Written, rows: int) -> None:
        """Count a write of these records, with which so many rows were emitted."""
        self.writes += 1
        self.records += len(records)
        self.bytes += records.size
        self.rows += rows
