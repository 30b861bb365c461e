"""One rule over one table partition: which of its keys are pending or firing, and what each judgement changes.

Judging is pure: `close` and `update` return changes in the order of their keys, and nothing has happened until `apply`
is called for each, so that a write may be cut between two keys. What a judgement costs in Python is a matter of the
keys that hold or are live; those that do not hold cost one comparison on arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from streams.rules.conditions.expr import Expr
from streams.rules.describe import Descriptions
from streams.rules.life import Live, due, matured, missed
from tables.records import alert_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.effects import Event
    from streams.planned import RulePlan, TablePlan
    from streams.rules.rows import Rows
    from tables.windows import Panes, Steps

Outcome = dict[bytes, Live | None]
"""What judged keys come to: their alert, None for none."""


class Change(msgspec.Struct, frozen=True):
    """What one judgement changes for one key of one rule.

    Args:
        key: table key.
        rule: the rule.
        before: the alert as it was; None if there was none.
        after: the alert; None if there is none any more.
        resolved_at: when the alert that was there was resolved, in ms; None if it was not.
        events: (status, event) that others are told.
        saved: whether the changelog gets to know; a pending alert's new value is for the views only.
        at: the step (ms) at which it is judged; without window or for open rows, the watermark.
    """

    key: bytes
    rule: Rule
    before: Live | None
    after: Live | None
    resolved_at: int | None
    events: tuple[tuple[str, Event], ...]
    saved: bool
    at: int


class Hit(msgspec.Struct, frozen=True):
    """A row that holds: its values, `$value`, its window, and the time from which an alert of it counts."""

    values: dict[str, Any]
    value: Any
    window: int
    begins: int
    start: int | None = None
    end: int | None = None

    def says(self, live: Live) -> bool:
        """Return whether an alert stands on this very row, as it is."""
        same = live.window == self.window and live.start == self.start and live.end == self.end
        return same and live.values == self.values and live.value == self.value


class Rule:
    """The live alerts of one rule in one partition. When it is judged is the matter of its kinds.

    Args:
        plan: of the rule.
        table: plan of its table.
        steps: the windows of the table by number.
    """

    def __init__(self, plan: RulePlan, table: TablePlan, steps: Steps) -> None:
        """Begin without alerts."""
        self.plan = plan
        self.prefix = alert_key(plan.id, b"")
        """What the record keys of its alerts begin with; the table key follows."""
        self.live: dict[bytes, Live] = {}
        self.over: int | None = None
        """The window in which there were more alerts than `limit`, last."""
        self.limited = 0
        """How often there were, since the engine asked last."""
        self.condition = Expr(plan.expr, plan.value)
        self.describe = Descriptions(plan, table, steps)
        self._steps = steps
        self._hold, self._keep = plan.alert.for_, plan.alert.keep_firing_for
        self._eager = plan.judge == "update"

    def apply(self, change: Change) -> None:
        """Let a change happen."""
        if change.after is None:
            self.live.pop(change.key, None)
        else:
            self.live[change.key] = change.after

    def restore(self, key: bytes, live: Live) -> None:
        """Take an alert out of the changelog."""
        self.live[key] = live

    # one key

    def _where(self, rows: Rows) -> NDArray[np.intp]:
        """Return the positions of the rows that hold."""
        if not len(rows):
            return np.empty(0, np.intp)
        return self.condition.holds(rows.columns(self.condition.uses), len(rows)).nonzero()[0]

    def _shown(self, rows: Rows, at: NDArray[np.intp]) -> Iterator[tuple[int, dict[str, Any], Any]]:
        """Yield (position, values, `$value`) of rows that hold, by their positions."""
        if not len(at):
            return
        held = rows.take(at)
        shown = self.condition.values(held.columns(self.condition.uses), len(held))
        yield from zip(at.tolist(), held.values(), shown, strict=True)

    def _hit(self, key: bytes, live: Live | None, hit: Hit, now: int) -> Live:
        labels = self.describe.labels(key, hit.values, hit.value, live)
        if live is None or live.labels != labels:
            live = Live(hit.begins, labels, hit.values, hit.value, hit.window, start=hit.start, end=hit.end)
        elif _goes_on(live) and hit.says(live):
            return live
        else:
            live = msgspec.structs.replace(
                live,
                missed_at=None,
                values=hit.values,
                value=hit.value,
                window=hit.window,
                start=hit.start,
                end=hit.end,
            )
        # A window fires as from its closing step; an open one as from its start, once it was active long enough.
        fires_at = max(hit.begins, live.active_at + self._hold) if self._eager else now
        return matured(live, now, self._hold, fires_at)

    # all keys

    def _limited(self, outcome: Outcome, window: int | None, after: bytes | None) -> Outcome:
        """Return the outcome, or that no alert is left if there are more than `limit`: all are dropped then."""
        limit = self.plan.alert.limit
        if not limit:
            return outcome
        untouched = sum(key not in outcome for key in self.live)
        count = untouched + sum(live is not None for live in outcome.values())
        begun = after is not None and self.over == window
        if count <= limit and not begun:
            return outcome
        self.limited += not begun
        self.over = window
        return {key: None for key in self.live if after is None or key > after}

    def _changes(self, outcome: Outcome, now: int) -> list[Change]:
        live = self.live
        changed = [key for key, after in outcome.items() if after is not live.get(key)]
        changes = [self._change(key, live.get(key), outcome[key], now) for key in sorted(changed)]
        return [change for change in changes if change is not None]

    def _change(self, key: bytes, before: Live | None, after: Live | None, now: int) -> Change | None:
        if after == before:
            return None
        renamed = before is not None and after is not None and before.labels != after.labels
        events, resolved_at = [], None
        if before is not None and before.fired_at is not None and (after is None or renamed):
            resolved_at = now if renamed else self._ends_at(before, now)
            events.append(("resolved", self.describe.event(key, before, resolved_at)))
        if after is not None and after.fired_at is not None and (before is None or before.fired_at is None or renamed):
            events.append(("firing", self.describe.event(key, after)))
        saved = renamed or self._saves(before, after)
        return Change(key, self, before, after, resolved_at, tuple(events), saved, now)

    def _saves(self, before: Live | None, after: Live | None) -> bool:
        """Return whether the changelog gets to know a change: not what is new in the row of a pending alert."""
        return after is None or after.fired_at is not None or before is None

    def _ends_at(self, live: Live, now: int) -> int:
        """Return when an alert ended: at the step; without window, to the ms, where time alone ended it."""
        if self._steps.windowed or live.missed_at is None:
            return now
        return min(now, live.missed_at + self._keep)


class PaneRule(Rule):
    """A rule over windows that all keys share: each of their ends is a step, at which all keys are judged.

    Args:
        plan: of the rule.
        table: plan of its table.
        panes: of the table.
    """

    def __init__(self, plan: RulePlan, table: TablePlan, panes: Panes) -> None:
        """Begin without alerts."""
        super().__init__(plan, table, panes)
        self._panes = panes
        self._fresh: set[bytes] = set()
        """Keys whose alerts have the values of their rows as these are."""

    def apply(self, change: Change) -> None:
        """Let a change happen."""
        super().apply(change)
        if change.after is None:
            self._fresh.discard(change.key)
        elif self._eager:  # the others are told of no row that changes
            self._fresh.add(change.key)

    def touched(self, keys: Iterable[bytes]) -> None:
        """Note that open rows of these keys may have changed."""
        self._fresh.difference_update(keys)

    def hits(self, rows: Rows) -> dict[bytes, Hit | None]:
        """Return the rows that hold, of a window that closes or a part of it, by key.

        None is one on which an alert stands as it is: what it says is not computed again.
        """
        begins = self._panes.start(rows.window) if self._eager else self._panes.end(rows.window)
        at = self._where(rows)
        held = {rows.keys[row]: row for row in at.tolist()} if self._fresh else {}
        same: dict[bytes, Hit | None] = {key: None for key in held if self._stands(key, rows.window)}
        if same:
            at = np.array([row for key, row in held.items() if key not in same], np.intp)
        same.update(self._hits(rows, at, begins))
        return same

    def close(self, window: int, held: Mapping[bytes, Hit | None], after: bytes | None) -> list[Change]:
        """Judge a window that closes.

        Args:
            window: its number.
            held: all rows of it that hold, by key, as `hits` returns them.
            after: the last key that is judged already, None if none is.
        """
        now, outcome = self._panes.end(window), Outcome()
        for key, hit in held.items():
            live = self.live.get(key)
            if hit is not None and not self._ahead(live, window):
                outcome[key] = self._hit(key, live, hit, now)
        for key, live in self.live.items():
            if key not in held and not self._ahead(live, window):
                outcome[key] = missed(live, now, self._keep)
        if after is not None:
            outcome = {key: live for key, live in outcome.items() if key > after}
        return self._changes(self._limited(outcome, window, after), now)

    def look(self, rows: Rows, watermark: int, outcome: Outcome) -> None:
        """Note what becomes of open rows, at the end of a batch.

        Args:
            rows: that were touched, of one window; windows come in their order.
            watermark: of the table.
            outcome: of the rows so far; these are added.
        """
        windowed, at = self._panes.windowed, self._where(rows)
        held = {rows.keys[row]: row for row in at.tolist()}
        self.touched(held)
        changing = [row for key, row in held.items() if not _goes_on(outcome.get(key, self.live.get(key)))]
        begins = self._panes.start(rows.window) if windowed else watermark
        for key, hit in self._hits(rows, np.array(changing, np.intp), begins):
            outcome[key] = self._hit(key, outcome.get(key, self.live.get(key)), hit, max(watermark, hit.begins))
        if not windowed:
            gone = [key for key in rows.keys if key in self.live and key not in held]
            outcome.update((key, missed(self.live[key], watermark, self._keep)) for key in gone)

    def update(self, outcome: Outcome, watermark: int) -> list[Change]:
        """Return what changes at the end of a batch, when all open rows that were touched are noted."""
        if not self._panes.windowed:
            outcome.update(self._elapsed(watermark, outcome))
        return self._changes(self._limited(outcome, None, None), watermark)

    def next_window(self, window: int) -> int | None:
        """Return the first window from `window` on whose judgement changes an alert even if it has no row."""
        found = None
        for live in self.live.values():
            at = self._changes_at(live, window)
            if at == window:  # none changes before it
                return window
            found = at if found is None else min(found, at)
        return found

    def deadline(self) -> int | None:
        """Return the least watermark at which an alert of a table without window changes by the passing of time."""
        waiting = (live.active_at + self._hold for live in self.live.values() if live.fired_at is None)
        missing = (live.missed_at + self._keep for live in self.live.values() if live.missed_at is not None)
        return min([*waiting, *missing], default=None)

    # one key

    def _hits(self, rows: Rows, at: NDArray[np.intp], begins: int) -> Iterator[tuple[bytes, Hit]]:
        for row, values, value in self._shown(rows, at):
            yield rows.keys[row], Hit(values, value, rows.window, begins)

    def _stands(self, key: bytes, window: int) -> bool:
        """Return whether the alert of a key stands on its row in this window, and that has not changed since."""
        live = self.live.get(key)
        return key in self._fresh and live is not None and live.window == window and _goes_on(live)

    def _ahead(self, live: Live | None, window: int) -> bool:
        """Return whether the alert stands for a later, still open window: then this one says nothing about it."""
        return self._eager and live is not None and window < live.window

    def _elapsed(self, watermark: int, judged: Outcome) -> Iterator[tuple[bytes, Live | None]]:
        """Yield what time alone makes of alerts whose keys were not touched."""
        for key, live in self.live.items():
            if key not in judged and live.fired_at is None:
                yield key, matured(live, watermark, self._hold, live.active_at + self._hold)
            elif key not in judged and live.missed_at is not None:
                yield key, missed(live, watermark, self._keep)

    def _changes_at(self, live: Live, window: int) -> int:
        at = due(live, self._keep)
        window = max(window, live.window) if self._eager else window
        if at is None or not self._panes.windowed:
            return window
        return max(window, self._panes.ending_from(at))


def _goes_on(live: Live | None) -> bool:
    """Return whether an alert fires and was not missed: another row that holds says nothing new of it."""
    return live is not None and live.fired_at is not None and live.missed_at is None
