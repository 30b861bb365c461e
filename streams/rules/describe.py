"""What a rule says of one key: its labels, its annotations, and the events of its changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.rules.events import alert_event, path, window_of
from streams.rules.templates import Template
from tables.keys import key_values

if TYPE_CHECKING:
    from streams.effects import Event
    from streams.planned import RulePlan, TablePlan
    from streams.rules.life import Live
    from tables.windows import Steps


class Descriptions:
    """Renders labels, annotations and events of one rule.

    Args:
        plan: of the rule.
        table: plan of its table.
        panes: of the table.
    """

    def __init__(self, plan: RulePlan, table: TablePlan, panes: Steps) -> None:
        """Find out whether labels can change while an alert lives."""
        self._plan, self._table, self._panes = plan, table, panes
        self._steady = all(map(_steady, plan.labels.values()))
        self._shown: tuple[int | None, dict[str, int] | None] = None, None

    def labels(self, key: bytes, values: dict[str, Any], value: Any, live: Live | None) -> dict[str, str]:
        """Return the labels of an alert by name: key fields, declared ones, and `alertname`; empty ones are none.

        Args:
            key: table key.
            values: the row that holds.
            value: what `$value` is.
            live: the alert as it was, whose labels stay if nothing in them depends on the row.
        """
        if live is not None and self._steady:
            return live.labels
        fields = self._fields(key)
        labels = {label: str(fields[field]) for label, field in self._table.key_labels}
        columns = {**fields, **values}
        declared = {name: each.render(labels, value, columns) for name, each in self._plan.labels.items()}
        labels = {**labels, **declared, "alertname": self._plan.alert.alert}
        return {name: labels[name] for name in sorted(labels) if labels[name]}

    def annotations(self, key: bytes, live: Live) -> dict[str, str]:
        """Return the annotations over the row that held last."""
        if not self._plan.annotations:
            return {}
        columns = {**self._fields(key), **live.values}
        return {name: each.render(live.labels, live.value, columns) for name, each in self._plan.annotations.items()}

    def event(self, key: bytes, live: Live, ends_at: int | None = None) -> Event:
        """Return the event that the alert fires, or (with `ends_at`, ms) was resolved."""
        return alert_event(
            live,
            self.annotations(key, live),
            topic=self._plan.topic,
            table=self._table.name,
            key=path(key, len(self._table.key)),
            window=self._window(live),
            ends_at=ends_at,
        )

    def _window(self, live: Live) -> dict[str, int] | None:
        """Return the window of the row that held last."""
        if live.start is not None and live.end is not None:
            return {"start": live.start, "end": live.end}
        if live.window != self._shown[0]:
            self._shown = live.window, window_of(self._panes, live.window)
        return self._shown[1]

    def _fields(self, key: bytes) -> dict[str, Any]:
        return dict(zip(self._table.key, key_values(key, len(self._table.key)), strict=True))


def _steady(template: Template) -> bool:
    """Return whether a template shows nothing but text and the key's labels."""
    return all(isinstance(part, str) or part.kind == "label" for part in template.parts)
