"""All rules of a partition together: order, restore, and what views get to see."""

from __future__ import annotations

import numpy as np

from streams.load import loads
from streams.plan import plan
from streams.rules.judge import PaneJudge, limit_key
from streams.rules.rows import Rows
from streams.rules.rule import Change
from tables.columns import Column
from tables.records import ALERT, Record, alert_key
from tables.store import MemoryStore
from tables.windows import panes

PLAN = plan(
    loads("""
app: t
streams:
  s: {topic: s, key: host}
tables:
  c: {from: s, key: host, window: {tumbling: 10s}, aggregates: {n: count()}}
alerts:
  - {alert: A, table: c, expr: n >= 2, for: 10s, annotations: {s: "{{ n }}"}}
  - {alert: A, table: c, expr: n >= 5, limit: 1}
""")
).tables["c"]
PANES = panes(PLAN.table.window)


def rows(window: int, **counts: int) -> Rows:
    """Return the rows of a window: hosts with their counts."""
    keys = sorted(host.encode() for host in counts)
    values = Column("int", np.array([counts[key.decode()] for key in keys]))
    return Rows(window, keys, {"n": values}, ("host",))


def closed(judge: PaneJudge, step: Rows, after: bytes | None = None) -> list[Change]:
    """Return what the closing of a window changes."""
    held = judge.none()
    judge.look(step, held)
    return judge.close(step.window, held, after)


def judged(*steps: Rows) -> tuple[PaneJudge, MemoryStore]:
    """Return a judge that has closed these windows, and a store of what it would have written."""
    judge, store = PaneJudge(PLAN, PANES), MemoryStore()
    for step in steps:
        for change in closed(judge, step):
            change.rule.apply(change)
            value = None if change.after is None else change.after.encode()
            store.write([Record(alert_key(change.rule.plan.id, change.key), value)])
    return judge, store


def test_changes_come_by_key_then_by_rule() -> None:
    """The changes of all rules are merged by key; of one key in the order of the rules."""
    changes = closed(PaneJudge(PLAN, PANES), rows(0, b=3, a=9))
    assert [(change.key, change.rule.plan.id) for change in changes] == [(b"a", "A"), (b"a", "A#2"), (b"b", "A")]


def test_nothing_happens_before_it_is_applied() -> None:
    """Judging twice without applying gives the same changes, and keys up to `after` are left out."""
    judge = PaneJudge(PLAN, PANES)
    first, again = closed(judge, rows(0, a=2, b=2)), closed(judge, rows(0, a=2, b=2), b"a")
    assert [change.key for change in first] == [b"a", b"b"]
    assert [change.key for change in again] == [b"b"]
    assert judge.views() == []


def test_restored_as_written() -> None:
    """What the changelog holds gives the same alerts back; the rest of its life goes on from there."""
    judge, store = judged(rows(0, a=2, b=2), rows(1, a=4))
    store.write([Record(limit_key("A#2"), b"7"), Record(alert_key("Gone", b"a"), b"{}")])
    restored = PaneJudge(PLAN, PANES)
    restored.load(store, ALERT)
    assert restored.views() == judge.views()
    assert restored.rules[1].over == 7
    assert restored.orphans == [alert_key("Gone", b"a")]
    assert closed(restored, rows(2, a=1))[0].resolved_at == 30_000


def test_views_show_the_row_that_held_last() -> None:
    """A live alert is shown with state, times, value, labels, and annotations over the last row that held."""
    judge, _ = judged(rows(0, a=2), rows(1, a=4))
    (view,) = judge.views()
    assert (view.name, view.rule, view.key, view.state) == ("A", "A", b"a", "firing")
    assert (view.active_at, view.fired_at, view.value, view.values) == (10_000, 20_000, 4, {"n": 4})
    assert (view.labels, view.annotations) == ({"alertname": "A", "host": "a"}, {"s": "4"})


def test_next_window_is_where_an_alert_changes_without_a_row() -> None:
    """With a live alert the very next window matters; without any none does."""
    judge, _ = judged(rows(0, a=2))
    assert judge.next_window(1) == 1
    assert PaneJudge(PLAN, PANES).next_window(1) is None
