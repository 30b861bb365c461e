"""All rules of one table partition together: restored from the changelog, judged in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import TYPE_CHECKING, Any, Literal

from streams.rules.life import Live
from streams.rules.rule import Change, Hit, Outcome, PaneRule, Rule
from tables.records import alert_key, split_alert_key

if TYPE_CHECKING:
    from streams.planned import TablePlan
    from streams.rules.rows import Rows
    from tables.store import Store
    from tables.windows import Panes

Held = list[dict[bytes, Hit | None]]
"""For each rule the rows that hold, by key; see `PaneRule.hits`."""


@dataclass(frozen=True, slots=True)
class AlertView:
    """A live alert as views and metrics show it; times are event times in ms.

    Args:
        rule: id of its rule.
        name: the alert's name.
        key: table key.
        labels: all of its labels.
        annotations: rendered over the row that held last.
        state: pending or firing.
        active_at: since when the condition holds.
        fired_at: since when it fires, None while pending.
        value: what `$value` was in the row that held last.
        values: that row.
    """

    rule: str
    name: str
    key: bytes
    labels: dict[str, str]
    annotations: dict[str, str]
    state: Literal["pending", "firing"]
    active_at: int
    fired_at: int | None
    value: Any
    values: dict[str, Any]


class Judge:
    """The rules of one table partition. When they are judged is the matter of its kinds.

    Args:
        rules: of the table, in the order of their declaration.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Begin without alerts."""
        self.rules = rules
        self.eager = any(rule.plan.judge == "update" for rule in rules)
        """Whether any rule is judged on update."""
        self.orphans: list[bytes] = []
        """Record keys of alerts whose rules are no longer declared."""

    def load(self, store: Store, prefix: bytes) -> None:
        """Take the alerts that the store holds; those of rules that are gone are orphans."""
        rules = {rule.plan.id: rule for rule in self.rules}
        for record_key, value in store.scan(prefix):
            name, key = split_alert_key(record_key)
            rule = rules.get(name or key.decode())
            if rule is None:
                self.orphans.append(record_key)
            elif name:
                rule.restore(key, Live.decode(value))
            else:
                rule.over = int(value)

    def views(self) -> list[AlertView]:
        """Return all live alerts, by rule and key."""
        return [_view(rule, key, live) for rule in self.rules for key, live in sorted(rule.live.items())]


class PaneJudge(Judge):
    """The rules of a table whose windows all keys share.

    Args:
        plan: of the table.
        panes: of the table.
    """

    def __init__(self, plan: TablePlan, panes: Panes) -> None:
        """Begin without alerts."""
        self._rules = [PaneRule(rule, plan, panes) for rule in plan.rules]
        super().__init__(self._rules)

    def none(self) -> Held:
        """Return that no row is known to hold."""
        return [{} for _ in self._rules]

    def touched(self, keys: Sequence[bytes]) -> None:
        """Note that open rows of these keys may have changed, before they are judged."""
        for rule in self._rules:
            rule.touched(keys)

    def look(self, rows: Rows, held: Held) -> None:
        """Note which rows hold, of a window that closes or a part of it."""
        for rule, hits in zip(self._rules, held, strict=True):
            hits.update(rule.hits(rows))

    def close(self, window: int, held: Held, after: bytes | None) -> list[Change]:
        """Judge a window that closes with every rule; changes in the order of keys, then of rules.

        Args:
            window: its number.
            held: all of its rows that hold.
            after: the last key that is judged already, None if none is.
        """
        rules = zip(self._rules, held, strict=True)
        return _together(rule.close(window, hits, after) for rule, hits in rules)

    def update(self, windows: Iterable[Rows], watermark: int) -> list[Change]:
        """Judge open rows, in the order of their windows, with the rules that are judged on update."""
        eager: list[tuple[PaneRule, Outcome]] = [(each, {}) for each in self._rules if each.plan.judge == "update"]
        for rows in windows:
            for rule, outcome in eager:
                rule.look(rows, watermark, outcome)
        return _together(rule.update(outcome, watermark) for rule, outcome in eager)

    def next_window(self, window: int) -> int | None:
        """Return the first window from `window` on whose judgement changes an alert even if it has no row."""
        found = [rule.next_window(window) for rule in self._rules if rule.live]
        return min((each for each in found if each is not None), default=None)

    def deadline(self) -> int | None:
        """Return the least watermark at which time alone changes an alert of a table without window."""
        found = [rule.deadline() for rule in self._rules if rule.live]
        return min((each for each in found if each is not None), default=None)


def limit_key(rule: str) -> bytes:
    """Return the record key under which a rule notes the last window in which it had too many alerts."""
    return alert_key("", rule.encode())


def _together(changes: Iterable[list[Change]]) -> list[Change]:
    found = list(changes)
    return found[0] if len(found) == 1 else list(merge(*found, key=lambda change: change.key))


def _view(rule: Rule, key: bytes, live: Live) -> AlertView:
    return AlertView(
        rule=rule.plan.id,
        name=rule.plan.alert.alert,
        key=key,
        labels=live.labels,
        annotations=rule.describe.annotations(key, live),
        state=live.state,
        active_at=live.active_at,
        fired_at=live.fired_at,
        value=live.value,
        values=live.values,
    )
