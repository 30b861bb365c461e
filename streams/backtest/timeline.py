"""The life of alerts over a whole run: since when they were pending, when they fired, when they ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.rules.events import rfc3339
from tables.keys import key_values

if TYPE_CHECKING:
    from streams.rules.life import Live
    from streams.rules.rule import Change


@dataclass(slots=True)
class Episode:
    """One alert from its first holding to its end; times are event times in ms.

    Args:
        rule: id of the rule.
        alert: its name.
        table: name of its table.
        partition: of the table.
        key: table key.
        labels: all labels.
        active_at: since when the condition held.
        fired_at: since when it fired; None if it never did.
        ended_at: when it was resolved or, if it never fired, forgotten; None if it was not to the end of the input.
        annotations: rendered over the row that held last.
        value: `$value` of the row that held last.
        key_parts: number of the table's key fields.
    """

    rule: str
    alert: str
    table: str
    partition: int
    key: bytes
    labels: dict[str, str]
    active_at: int
    fired_at: int | None = None
    ended_at: int | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    value: Any = None
    key_parts: int = 1

    @property
    def state(self) -> str:
        """Return what became of it: pending, firing, resolved, or inactive if it never fired."""
        if self.ended_at is None:
            return "pending" if self.fired_at is None else "firing"
        return "inactive" if self.fired_at is None else "resolved"

    def until(self, end: int) -> int:
        """Return its end in ms, or `end` if it has none."""
        return max(end, self.active_at) if self.ended_at is None else self.ended_at

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON, with times as RFC 3339 text."""
        fired = self.fired_at is not None
        return {
            "alert": self.alert,
            "rule": self.rule,
            "table": self.table,
            "key": list(key_values(self.key, self.key_parts)),
            "labels": dict(sorted(self.labels.items())),
            "annotations": self.annotations,
            "state": self.state,
            "activeAt": rfc3339(self.active_at),
            "startsAt": _text(self.fired_at),
            "endsAt": _text(self.ended_at) if fired else None,
            "inactiveAt": None if fired else _text(self.ended_at),
            "value": self.value,
        }


def _text(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)


class Timeline:
    """Collects episodes from the changes that engines tell."""

    def __init__(self) -> None:
        """Start empty."""
        self.episodes: list[Episode] = []
        self._live: dict[tuple[str, int, bytes], Episode] = {}

    def note(self, change: Change, table: str, partition: int, key_parts: int) -> None:
        """Take one change of an alert.

        Args:
            change: as a table's engine tells it.
            table: name of the table.
            partition: of the table.
            key_parts: number of the table's key fields.
        """
        at = (change.rule.plan.id, partition, change.key)
        episode, after = self._live.get(at), change.after
        if episode is not None and (after is None or after.labels != episode.labels):
            episode.ended_at = change.at if change.resolved_at is None else change.resolved_at
            del self._live[at]
            episode = None
        if after is None:
            return
        if episode is None:
            name = change.rule.plan.alert.alert
            episode = Episode(
                change.rule.plan.id, name, table, partition, change.key, after.labels, after.active_at,
                key_parts=key_parts,
            )  # fmt: skip
            self._live[at] = episode
            self.episodes.append(episode)
        _update(episode, change, after)

    def sorted(self) -> list[Episode]:
        """Return the episodes by the time of their beginning, then by name and labels."""
        return sorted(self.episodes, key=lambda each: (each.active_at, each.alert, sorted(each.labels.items())))


def _update(episode: Episode, change: Change, after: Live) -> None:
    fires = episode.fired_at is None and after.fired_at is not None
    episode.fired_at, episode.value = after.fired_at, after.value
    if fires or after.missed_at is None:
        episode.annotations = change.rule.describe.annotations(change.key, after)
