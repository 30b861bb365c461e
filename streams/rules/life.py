"""The life of one alert: pending, firing, resolved. Prometheus' state machine, with event time instead of a clock.

Source: Prometheus `rules/alerting.go`, `AlertingRule.Eval`: a key that holds becomes pending and fires in the first
judgement that is `for` or more after its first; a pending one that does not hold is forgotten; a firing one that does
not hold goes on for `keep_firing_for` since its first miss, then it is resolved.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FOREVER = 1 << 62
"""A time that never comes."""


class Live(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alert that is pending or firing: the value of its changelog record. Times are event times in ms.

    Args:
        active_at: since when the condition holds.
        labels: all of its labels.
        values: the row that held last.
        value: what `$value` was in that row.
        window: number of that row's window.
        fired_at: since when it fires; None while it is pending.
        missed_at: when it did not hold for the first time while it fires; None if it holds.
        start: first ms of that row's window, where the number does not say it.
        end: the ms after that window, likewise.
    """

    active_at: int
    labels: dict[str, str]
    values: dict[str, Any] = {}
    value: Any = None
    window: int = 0
    fired_at: int | None = None
    missed_at: int | None = None
    start: int | None = None
    end: int | None = None

    @property
    def state(self) -> Literal["pending", "firing"]:
        """Return the state by Prometheus' name."""
        return "pending" if self.fired_at is None else "firing"

    def encode(self) -> bytes:
        """Return the record value."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, value: bytes) -> Live:
        """Return the alert that a record value says."""
        return msgspec.json.decode(value, type=cls)


def matured(live: Live, now: int, hold: int, fires_at: int) -> Live:
    """Return the alert after it held at `now`: it fires, as from `fires_at`, once it was active for `hold` ms."""
    if live.fired_at is None and now - live.active_at >= hold:
        return msgspec.structs.replace(live, fired_at=fires_at)
    return live


def missed(live: Live, now: int, keep: int) -> Live | None:
    """Return the alert after it did not hold at `now`, None if that ends it; `keep` is `keep_firing_for` in ms."""
    if live.fired_at is None:
        return None
    since = now if live.missed_at is None else live.missed_at
    if now - since >= keep:
        return None
    return live if live.missed_at is not None else msgspec.structs.replace(live, missed_at=since)


def due(live: Live, keep: int) -> int | None:
    """Return when an alert whose key has no row changes next: None at the very next judgement, else at this ms."""
    if live.fired_at is None or live.missed_at is None:
        return None
    return live.missed_at + keep
