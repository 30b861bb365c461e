"""What a table of sessions and its alerts must say, record by record in plain Python. It shares nothing with it.

A session is a list of records. What happens to a key's alert is looked for one happening after the other: the earliest
one of all that are possible, until none is left that the watermark has passed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.streams.oracle import Event, aggregates

FAR = 1 << 62


@dataclass(frozen=True)
class Rule:
    """A table's grace and keep, and its alert; all in ms."""

    grace: int
    hold: int = 0
    firing: int = 0
    keep: int = FAR
    least: int = 2


@dataclass
class Alert:
    """A live alert."""

    active: int
    row_end: int
    fired: int | None = None
    missed: int | None = None


@dataclass
class Alerts:
    """The alerts of one partition: keys are judged at the ends of their own windows."""

    rule: Rule
    live: dict[str, Alert] = field(default_factory=dict)
    events: list[tuple[str, str, int, int | None]] = field(default_factory=list)

    def advance(self, closing: list[tuple[int, str, bool]], now: int) -> None:
        """Take all alerts through the windows that close, (end, key, whether the row holds), and up to `now`."""
        left = sorted(closing)
        while True:
            found = [(end, key, 0) for end, key, _ in left[:1]]
            found += [(self.changes(alert), key, 1) for key, alert in self.live.items()]
            if not found or min(found)[0] > now:
                return
            at, key, late = min(found)
            if late:
                self.lapse(key, at)
            else:
                self.judge(key, at, holds=left.pop(0)[2])

    def changes(self, alert: Alert) -> int:
        """Return when time changes an alert."""
        pending = alert.active + self.rule.hold if alert.fired is None else FAR
        missing = FAR
        if alert.missed is not None and alert.fired is not None:
            missing = max(alert.missed + self.rule.firing, alert.fired + 1)
        return min(pending, missing, alert.row_end + self.rule.keep)

    def judge(self, key: str, at: int, *, holds: bool) -> None:
        """Judge a row of a window that ends."""
        if holds:
            alert = self.live.setdefault(key, Alert(at, at))
            alert.row_end, alert.missed = at, None
            self.fire(key, at)
        elif key in self.live:
            alert = self.live[key]
            if alert.fired is None:
                del self.live[key]
                return
            alert.missed = at if alert.missed is None else alert.missed
            if at - alert.missed >= self.rule.firing and at > alert.fired:
                self.end(key, at)

    def lapse(self, key: str, at: int) -> None:
        """Let time pass."""
        alert = self.live[key]
        if at >= alert.row_end + self.rule.keep or alert.fired is not None:
            self.end(key, at)
        else:
            self.fire(key, at)

    def fire(self, key: str, at: int) -> None:
        """Fire, if it is time."""
        alert = self.live[key]
        if alert.fired is None and at - alert.active >= self.rule.hold:
            alert.fired = at
            self.events.append((key, "firing", at, None))

    def end(self, key: str, at: int) -> None:
        """End an alert."""
        alert = self.live.pop(key)
        if alert.fired is not None:
            self.events.append((key, "resolved", alert.fired, at))


@dataclass
class Sessions:
    """One table partition: its sessions, the closed ones as they were when they closed, and the alert events."""

    gap: int
    rule: Rule
    open: list[list[Event]] = field(default_factory=list)
    closed: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    late: list[int] = field(default_factory=list)
    watermark: int = -1

    def __post_init__(self) -> None:
        """Begin without alerts."""
        self.judged = Alerts(self.rule)

    def read(self, events: Iterable[Event]) -> Sessions:
        """Take records one by one."""
        for event in events:
            self.watermark = max(self.watermark, event.time)
            self.close()
            if event.time + self.gap + 1 + self.rule.grace <= self.watermark:
                self.late.append(event.offset)
            else:
                self.join(event)
        return self

    def join(self, event: Event) -> None:
        """Let a record join what is open and near."""
        near = [
            session
            for session in self.open
            if session[0].key == event.key and any(abs(event.time - other.time) <= self.gap for other in session)
        ]
        self.open = [session for session in self.open if session not in near]
        self.open.append(sorted([event, *(other for session in near for other in session)], key=lambda e: e.offset))

    def end(self, session: list[Event]) -> int:
        """Return the ms after a session."""
        return max(event.time for event in session) + self.gap + 1

    def close(self) -> None:
        """Close what the watermark has passed."""
        over = [session for session in self.open if self.end(session) + self.rule.grace <= self.watermark]
        self.open = [session for session in self.open if session not in over]
        found = [(self.end(session), session[0].key, aggregates(session)) for session in over]
        self.closed.update(dict(map(self.row, over)))
        closing = [(end, key, row["n"] >= self.rule.least) for end, key, row in found]
        self.judged.advance(closing, self.watermark - self.rule.grace)

    def row(self, session: list[Event]) -> tuple[tuple[int, str], dict[str, Any]]:
        """Return (start, key) and the row of a session."""
        return (min(event.time for event in session), session[0].key), aggregates(session)

    @property
    def rows(self) -> dict[tuple[int, str], dict[str, Any]]:
        """All rows, open ones too."""
        return self.closed | dict(map(self.row, self.open))

    @property
    def alerts(self) -> list[tuple[str, str, int, int | None]]:
        """The alert events."""
        return self.judged.events
