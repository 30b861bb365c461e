"""What is folded waits for its write where nobody is told of it, and only there."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from streams.effects import Batch, Records
from streams.load import loads
from streams.plan import Plan, plan
from tests.streams.test_engine import BASE, SECOND, Bench, event, planned

ALERT = """
app: t
streams:
  s: {{topic: s, time: {{field: ts, unit: ms}}, key: host}}
tables:
  c: {{from: s, key: host, window: {window}, aggregates: {{n: count()}}}}
alerts:
  - {{alert: A, table: c, expr: n >= 2, {more}}}
"""


def with_rule(more: str, window: str = "{tumbling: 10s, grace: 0s}") -> Plan:
    """Return the plan of one table with a rule."""
    return plan(loads(ALERT.format(window=window, more=more)))


def batch(bench: Bench, *events: dict[str, Any]) -> Batch:
    """Return the next events as a batch."""
    values: list[bytes | None] = [b'{"host":"%s","ts":%d}' % (each["host"].encode(), each["ts"]) for each in events]
    lo, n = bench.offset, len(values)
    bench.offset += n
    stamps = np.full(n, BASE + 3600 * SECOND)
    found, _ = bench.stream.decode(Records(lo, lo + n, np.arange(lo, lo + n), stamps, values, [None] * n))
    return found


def held(bench: Bench, *events: dict[str, Any]) -> int:
    """Fold events that may be held, and return how many writes that makes."""
    return len(bench.drive(bench.table.fold_all([batch(bench, *events)], hold=True)))


def test_what_is_held_goes_with_the_next_write() -> None:
    """Three batches make the one write that they make together; until then the store has nothing of them."""
    bench, whole = Bench(planned()), Bench(planned())
    for each in (bench, whole):
        each.feed(event(0))  # the first write of all says which window is open
    before = dict(bench.store.scan(b""))
    assert [held(bench, event(at), event(at, "b")) for at in (1, 2, 3)] == [0, 0, 0]
    assert bench.table.held
    assert dict(bench.store.scan(b"")) == before
    assert len(bench.drive(bench.table.flush())) == 1
    assert not bench.table.held
    whole.feed(*[event(at, host) for at in (1, 2, 3) for host in ("a", "b")])
    assert dict(bench.store.scan(b"")) == dict(whole.store.scan(b""))


def test_without_anything_held_there_is_nothing_to_write() -> None:
    """A flush after a write makes none."""
    bench = Bench(planned())
    bench.feed(event(1))
    assert bench.drive(bench.table.flush()) == []


@pytest.mark.parametrize(
    ("made", "events"),
    [
        (planned("emit: update,"), [event(1)]),
        (planned("emit: {update: 60s},"), [event(1)]),
        (planned("emit: close,"), [event(1), event(11)]),
        (planned(), [event(1), event(11)]),
        (planned("late: old,"), [event(11), event(30), event(1)]),
        (with_rule("judge: update"), [event(1), event(2)]),
        (with_rule("judge: update, for: 1m"), [event(1), event(2)]),
        (with_rule(""), [event(1), event(2), event(11)]),
        (with_rule("judge: update", "{session: 5s, grace: 0s}"), [event(1)]),
    ],
    ids=["update", "gathered", "row", "closed", "late", "fires", "pends", "fires-closed", "eager-sessions"],
)
def test_what_others_are_told_is_never_held(made: Plan, events: list[dict[str, Any]]) -> None:
    """Alerts, also pending ones, rows, late records and closed windows go out with the batch that brings them."""
    bench = Bench(made)
    assert held(bench, *events) >= 1
    assert not bench.table.held


def test_rules_judge_what_is_folded_whatever_is_held() -> None:
    """An alert fires with the batch that makes it hold, over what was held before; nothing is judged twice."""
    bench = Bench(with_rule("judge: update"))
    bench.feed(event(0, "d"))
    judged: list[bytes] = []
    update = bench.table.judge.update  # type: ignore[union-attr] # the windows are shared

    def spy(windows: Any, watermark: int) -> Any:
        rows = list(windows)
        judged.extend(key for each in rows for key in each.keys)
        return update(rows, watermark)

    bench.table.judge.update = spy  # type: ignore[union-attr,method-assign]
    assert held(bench, event(1), event(1, "b")) == 0
    assert held(bench, event(2, "c")) == 0
    assert judged == [b"a", b"b", b"c"]
    (write,) = bench.drive(bench.table.fold_all([batch(bench, event(3))], hold=True))
    assert [json.loads(each.value or b"")["labels"]["host"] for each in write.events] == ["a"]
    assert write.records[0].key[17:] == b"a"
