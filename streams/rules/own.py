"""Rules over unaligned windows: a key is judged at the ends of its own windows, and at no other's.

What a key's last closed row says stands until the next one closes, or until the row is kept no longer. So long `for`
and `keep_firing_for` go on with the watermark, as they do for a table without window. Four things happen to a key, in
the order of their event times, each once the watermark has passed it by the grace: a window of its own ends; an alert
that is pending was so for long enough; one that does not hold any more was kept firing for long enough; the row on
which an alert stands is kept no longer, which ends the alert.

Several windows of a key may be full at one time, and hold by turns. So an alert lasts for 1 ms at least: two of one key
never begin at the same time, by which others know them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.rules.judge import Judge
from streams.rules.life import Live, matured, missed
from streams.rules.rule import Change, Hit, Outcome, Rule

if TYPE_CHECKING:
    from streams.effects import Event
    from streams.planned import RulePlan, TablePlan
    from streams.rules.rows import Rows
    from tables.windows import Steps

    Place = tuple[int, bytes]
    """Number of a window, or event time in ms, and table key: what happens is in this order."""
    Shown = tuple[Event | None, ...]

NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Step:
    """One window of one key that closes.

    Args:
        number: of the window.
        at: when it ends, or was full, ms.
        key: table key.
        hits: for each rule its row if it holds.
        shown: the row as it is emitted, or None where only tables that read this one are told of it; else empty.
    """

    number: int
    at: int
    key: bytes
    hits: tuple[Hit | None, ...]
    shown: Shown = ()


class OwnRule(Rule):
    """The live alerts of one rule over unaligned windows in one partition.

    Args:
        plan: of the rule.
        table: plan of its table.
        steps: the windows of the table by number.
    """

    def __init__(self, plan: RulePlan, table: TablePlan, steps: Steps) -> None:
        """Begin without alerts."""
        super().__init__(plan, table, steps)
        self._stands = table.table.keep
        self._due: list[Place] = []

    def apply(self, change: Change) -> None:
        """Let a change happen."""
        super().apply(change)
        if change.after is not None:
            self._await(change.key, change.after)

    def restore(self, key: bytes, live: Live) -> None:
        """Take an alert out of the changelog."""
        super().restore(key, live)
        self._await(key, live)

    def _await(self, key: bytes, live: Live) -> None:
        heapq.heappush(self._due, (self._lapses_at(live), key))

    def _lapses_at(self, live: Live) -> int:
        """Return when time alone changes an alert."""
        pending = live.active_at + self._hold if live.fired_at is None else NEVER
        missing = NEVER
        if live.missed_at is not None:
            missing = max(live.missed_at + self._keep, (live.fired_at or 0) + 1)
        return min(pending, missing, self._falls_at(live))

    def _falls_at(self, live: Live) -> int:
        """Return when the row is kept no longer on which an alert stands."""
        return max(live.end or 0, self._steps.end(live.window)) + self._stands

    def next_due(self) -> Place | None:
        """Return when and for which key time alone changes an alert next."""
        while self._due:
            at, key = self._due[0]
            live = self.live.get(key)
            if live is not None and self._lapses_at(live) == at:
                return at, key
            heapq.heappop(self._due)
        return None

    def hits(self, rows: Rows) -> dict[int, Hit]:
        """Return the rows that hold, by position."""
        spans = rows.spans or ()
        return {
            at: Hit(values, value, spans[at].number,
                    spans[at].start if self._eager else self._steps.end(spans[at].number),
                    spans[at].start, spans[at].end)
            for at, values, value in self._shown(rows, self._where(rows))
        }  # fmt: skip

    def closed(self, step: Step, hit: Hit | None) -> list[Change]:
        """Judge a window of one key that closes; `hit` is its row if it holds."""
        live = self.live.get(step.key)
        if live is None and hit is None:
            return []
        if self._eager and live is not None and step.number < live.window:
            return []  # the alert stands for a later, still open window
        if hit is not None:
            after: Live | None = self._hit(step.key, live, hit, step.at)
        else:
            keep = max(self._keep, 1) if live.fired_at == step.at else self._keep  # type: ignore[union-attr] # one of both is there
            after = missed(live, step.at, keep)  # type: ignore[arg-type] # as above
        return self._judged(step.key, after, step.at)

    def lapsed(self, at: int, key: bytes) -> list[Change]:
        """Let time alone change the alert of one key."""
        live = self.live[key]
        if at >= self._falls_at(live):
            after = None
        elif live.fired_at is None:
            after = matured(live, at, self._hold, live.active_at + self._hold)
        else:
            after = missed(live, at, self._keep)
        return self._judged(key, after, at)

    def update(self, windows: Rows, watermark: int) -> list[Change]:
        """Judge open rows at the end of a batch.

        Args:
            windows: the rows that were touched, in the order of their windows.
            watermark: of the table.
        """
        outcome = Outcome()
        for at, hit in self.hits(windows).items():
            key = windows.keys[at]
            live = outcome.get(key, self.live.get(key))
            if live is None or live.fired_at is None or live.missed_at is not None or self._aged(live, hit):
                outcome[key] = self._hit(key, live, hit, max(watermark, hit.begins))
        return self._changes(self._limited(outcome, None, None), watermark)

    def _aged(self, live: Live, hit: Hit) -> bool:
        """Return whether a window goes on for so long that its alert would come to stand on nothing."""
        return (hit.end or 0) - (live.end or 0) > self._stands // 2

    def _judged(self, key: bytes, after: Live | None, now: int) -> list[Change]:
        """Return what a judgement changes: of all keys of the rule, if there are too many alerts."""
        limit = self.plan.alert.limit
        if after is not None and limit and len(self.live) + (key not in self.live) > limit:
            self.limited += 1
            return self._changes(dict.fromkeys(self.live), now)
        return self._changes({key: after}, now)

    def _saves(self, before: Live | None, after: Live | None) -> bool:
        """Return True: a pending alert's row says how long it stands."""
        del before, after
        return True


class OwnJudge(Judge):
    """The rules of a table with unaligned windows.

    Args:
        plan: of the table.
        steps: the windows of the table by number.
    """

    def __init__(self, plan: TablePlan, steps: Steps) -> None:
        """Begin without alerts."""
        self._rules = [OwnRule(rule, plan, steps) for rule in plan.rules]
        self._steps = steps
        super().__init__(self._rules)

    def steps(self, rows: Rows, shown: Sequence[Event | None]) -> Iterator[Step]:
        """Yield the windows that close of which anything follows, in their order.

        Args:
            rows: of windows that close.
            shown: the rows as they are emitted, None for those only told to tables that read this one; empty if none.
        """
        hits = [rule.hits(rows) for rule in self._rules]
        held = {at for each in hits for at in each}
        names = {key for rule in self._rules for key in rule.live} | {rows.keys[at] for at in held}
        spans = rows.spans or ()
        if not shown and not names:
            return
        for at, key in enumerate(rows.keys):
            if shown or key in names:
                number = spans[at].number
                yield Step(
                    number,
                    self._steps.end(number),
                    key,
                    tuple(each.get(at) for each in hits),
                    tuple(shown[at : at + 1]),
                )

    def judged(self, steps: Iterable[Step], until: int) -> Iterator[tuple[Place, list[Change], Shown]]:
        """Yield what happens in order: at which window of which key, what it changes, what is shown.

        What is yielded must have happened before the next is asked for.

        Args:
            steps: windows that close, in their order.
            until: the first window that is not judged, as far as time goes.
        """
        for step in steps:
            yield from self._lapses(self._steps.place(step.number, step.key))
            changes = [c for rule, hit in zip(self._rules, step.hits, strict=True) for c in rule.closed(step, hit)]
            yield (step.number, step.key), changes, step.shown
        yield from self._lapses(self._steps.place(until, b""))

    def _lapses(self, before: Place) -> Iterator[tuple[Place, list[Change], Shown]]:
        while (due := self.next_due()) is not None and due < before:
            changes = [change for rule in self._rules if rule.next_due() == due for change in rule.lapsed(*due)]
            yield (self._steps.ending_from(due[0]), due[1]), changes, ()

    def next_due(self) -> Place | None:
        """Return when and for which key time alone changes an alert next."""
        return min((due for rule in self._rules if (due := rule.next_due()) is not None), default=None)

    def update(self, windows: Rows, watermark: int) -> list[Change]:
        """Judge open rows with the rules that are judged on update; changes in the order of keys, then of rules."""
        eager = (rule for rule in self._rules if rule.plan.judge == "update")
        return list(heapq.merge(*(rule.update(windows, watermark) for rule in eager), key=lambda change: change.key))
