"""What a windowed table and its alerts must say, record by record in plain Python. It shares nothing with the engine.

A window holds a list of records, an alert is a state in a dictionary, and every window end is visited in turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Shape:
    """A table's windows and its alert; all in ms."""

    size: int
    every: int
    grace: int
    hold: int = 0
    keep: int = 0
    least: int = 2


@dataclass(frozen=True)
class Event:
    """One input record."""

    offset: int
    key: str
    time: int
    value: int


@dataclass
class Oracle:
    """One table partition: all rows ever, the closed ones as they were when they closed, and the alert events."""

    shape: Shape
    rows: dict[tuple[int, str], list[Event]] = field(default_factory=dict)
    closed: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    alerts: list[tuple[str, str, int, int | None]] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    watermark: int = -1
    live: dict[str, dict[str, Any]] = field(default_factory=dict)
    judged_to: int | None = None

    def read(self, events: Iterable[Event]) -> Oracle:
        """Take records one by one."""
        for event in events:
            self.watermark = max(self.watermark, event.time)
            first = event.time - event.time % self.shape.every
            starts = range(first, event.time - self.shape.size, -self.shape.every)
            still = [s for s in starts if s + self.shape.size + self.shape.grace > self.watermark]
            if self.judged_to is None:
                self.judged_to = first + self.shape.size
                while self.judged_to - self.shape.every + self.shape.grace > self.watermark:
                    self.judged_to -= self.shape.every
            for start in still:
                self.rows.setdefault((start, event.key), []).append(event)
            if not still:
                self.late.append(event.offset)
            self.close()
        return self

    def close(self) -> None:
        """Close every window that the watermark has passed, in order."""
        while self.judged_to is not None and self.judged_to + self.shape.grace <= self.watermark:
            start = self.judged_to - self.shape.size
            found = {key: aggregates(events) for (at, key), events in self.rows.items() if at == start}
            self.closed.update({(start, key): row for key, row in found.items()})
            self.judge(self.judged_to, {key for key, row in found.items() if row["n"] >= self.shape.least})
            self.judged_to += self.shape.every

    def judge(self, now: int, holding: set[str]) -> None:
        """Take the alerts of all keys through one evaluation at `now`."""
        for key in holding:
            alert = self.live.setdefault(key, {"active": now, "fired": None, "missed": None})
            alert["missed"] = None
            if alert["fired"] is None and now - alert["active"] >= self.shape.hold:
                alert["fired"] = now
                self.alerts.append((key, "firing", now, None))
        for key in self.live.keys() - holding:
            alert = self.live[key]
            if alert["fired"] is not None:
                alert["missed"] = now if alert["missed"] is None else alert["missed"]
                if now - alert["missed"] < self.shape.keep:
                    continue
                self.alerts.append((key, "resolved", alert["fired"], now))
            del self.live[key]


def aggregates(events: list[Event]) -> dict[str, Any]:
    """Return the row that records make."""
    values = [event.value for event in events]
    last = max(events, key=lambda event: (event.time, event.offset)).value
    return {"n": len(values), "total": sum(values), "low": min(values), "high": max(values), "final": last}
