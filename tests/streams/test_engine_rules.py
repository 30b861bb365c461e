"""Rules at work in the engine: keep_firing_for, limit, judge, labels, restarts; by way of the Harness and of lives."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from streams.effects import Limits
from streams.load import loads
from streams.plan import Plan, plan
from streams.spec import Declaration
from streams.testing import Harness
from tests.streams.lives import BASE, Partition, ms

SECOND = 1000
AGGREGATES = 'n: count(), high: max("v")'


def app(alert: str, window: str = "window: {tumbling: 10s, grace: 0s}") -> Declaration:
    """Return an app with one table and one alert."""
    return loads(f"""
app: t
streams:
  s: {{topic: s, time: {{field: ts, unit: ms}}, key: host}}
tables:
  c:
    from: s
    key: host
    {window}
    aggregates: {{{AGGREGATES}}}
alerts:
  - alert: A
    table: c
{alert}
""")


def event(second: float, host: str = "a", v: int = 1) -> dict[str, Any]:
    """Return one input event at a second after `BASE`."""
    return {"host": host, "ts": BASE + round(second * SECOND), "v": v}


def changes(harness: Harness) -> list[tuple[str, str, float, float | None]]:
    """Return (host, status, startsAt, endsAt) of each alert event in order, in seconds after `BASE`."""
    events = [each.value for each in harness.emitted("t-alerts")]
    seconds = [
        [None if text is None else (ms(text) - BASE) / SECOND for text in (e["startsAt"], e["endsAt"])] for e in events
    ]
    return [(e["labels"]["host"], e["status"], *at) for e, at in zip(events, seconds, strict=True)]  # type: ignore[misc]


def test_close_starts_at_the_window_end() -> None:
    """Judged at close, an alert starts at the end of the window that fires it and ends at that which resolves it."""
    harness = Harness(app("    expr: n >= 2"))
    for second in (1, 2, 11, 25):
        harness.feed("s", event(second))
    assert changes(harness) == [("a", "firing", 10, None), ("a", "resolved", 10, 20)]


def test_a_pending_alert_says_nothing() -> None:
    """Until `for` has passed there is no event; a miss in between begins anew."""
    harness = Harness(app("    expr: n >= 1\n    for: 20s"))
    for second in (1, 11, 31):
        harness.feed("s", event(second))
    assert [alert.state for alert in harness.alerts()] == []
    for second in (41, 51):
        harness.feed("s", event(second))
    assert [(alert.state, alert.active_at - BASE) for alert in harness.alerts()] == [("pending", 40_000)]
    assert changes(harness) == []
    harness.feed("s", event(61))
    assert changes(harness) == [("a", "firing", 60, None)]


def test_keep_firing_for_outlasts_gaps() -> None:
    """A key without a row goes on firing for keep_firing_for; then a step without any row resolves it."""
    harness = Harness(app("    expr: n >= 2\n    keep_firing_for: 25s"))
    for second in (1, 2, 11, 21, 22, 3600):
        harness.feed("s", event(second))
    assert changes(harness) == [("a", "firing", 10, None), ("a", "resolved", 10, 70)]


def test_a_jump_over_years_is_fast() -> None:
    """A jump of the watermark over thirty years passes its 94 million empty steps at once."""
    harness = Harness(app("    expr: n >= 1\n    keep_firing_for: 1h"))
    harness.feed("s", event(1))
    harness.feed("s", event(30 * 365 * 86_400))
    assert changes(harness) == [("a", "firing", 10, None), ("a", "resolved", 10, 3620)]


def test_over_the_limit_all_are_dropped() -> None:
    """With more live alerts than `limit` all are dropped, those that fired are resolved; then it begins anew."""
    harness = Harness(app("    expr: n >= 1\n    limit: 2"))
    for second, host in ((1, "a"), (2, "b"), (11, "a"), (12, "b"), (13, "c"), (21, "a"), (31, "z")):
        harness.feed("s", event(second, host))
    assert changes(harness) == [
        ("a", "firing", 10, None),
        ("b", "firing", 10, None),
        ("a", "resolved", 10, 20),
        ("b", "resolved", 10, 20),
        ("a", "firing", 30, None),
    ]
    (lane,) = harness._lanes  # noqa: SLF001 - the counters are for the worker's metrics, the Harness shows none
    assert lane.tables[0].engine.stats.limited == {"A": 1}


@pytest.mark.parametrize("seed", range(60))
def test_the_limit_holds_over_a_cut_step(seed: int) -> None:
    """A step that drops alerts is finished in the same way after a crash between two of its writes."""
    hosts = "abcdefg"
    events = [event(second + i / 10, host) for second in (1, 11, 21) for i, host in enumerate(hosts[: second // 2 + 3])]
    values = [json.dumps(each).encode() for each in [*events, event(45, "z")]]
    planned = plan(app("    expr: n >= 1\n    limit: 5"))
    calm = Partition(planned, values, Random(0)).run()  # noqa: S311 - a test's dice
    wild = Partition(planned, values, Random(seed), Limits(4), crashes=6).run()  # noqa: S311 - a test's dice
    assert sorted(wild.alerts(), key=str) == sorted(calm.alerts(), key=str)
    assert {status for _, status, _, _ in calm.alerts()} == {"firing", "resolved"}


def test_update_fires_with_the_batch() -> None:
    """Judged on update, an open row that holds fires at once, as from the start of its window."""
    harness = Harness(app("    expr: n >= 3\n    judge: update"))
    for second in (1, 2):
        harness.feed("s", event(second))
    assert changes(harness) == []
    harness.feed("s", event(3))
    assert changes(harness) == [("a", "firing", 0, None)]
    harness.feed("s", event(14))
    harness.feed("s", event(25))
    assert changes(harness) == [("a", "firing", 0, None), ("a", "resolved", 0, 20)]


def test_an_earlier_window_does_not_resolve_a_later_one() -> None:
    """While grace keeps an older window open, its closing without a match says nothing about the newer one."""
    harness = Harness(app("    expr: n >= 2\n    judge: update", "window: {tumbling: 10s, grace: 5s}"))
    for second in (1, 11, 12, 16, 26):
        harness.feed("s", event(second))
    assert changes(harness) == [("a", "firing", 10, None)]
    harness.feed("s", event(36))
    assert changes(harness)[1:] == [("a", "resolved", 10, 30)]


@pytest.mark.parametrize("seed", range(60))
def test_update_gives_the_same_alerts_for_any_cut(seed: int) -> None:
    """For a condition that stays true the alerts that fire do not depend on batches or crashes (input in order)."""
    random = Random(seed)  # noqa: S311 - a test's dice
    time, values = 0.0, []
    for _ in range(150):
        time += random.choice((0, 0, 1, 1, 3, 12))
        values.append(json.dumps(event(time, random.choice("abc"))).encode())
    planned = plan(app("    expr: n >= 3\n    judge: update"))
    single = Partition(planned, values, FixedCut(1)).run()
    whole = Partition(planned, values, random, Limits(random.choice((4, 20_000))), crashes=6).run()
    fired = {(host, at) for host, status, at, _ in whole.alerts() if status == "firing"}
    assert fired == {(host, at) for host, status, at, _ in single.alerts() if status == "firing"}
    assert len(fired) > 3


@pytest.mark.parametrize("limit", [1_000, 2_000, 8_000])
def test_a_step_is_cut_where_its_alerts_take_too_many_bytes(limit: int) -> None:
    """A write takes no more alerts once it has as many bytes as it may: it is wider by those of one key at most."""
    hosts = [f"h{n:03}" for n in range(80)]
    events = [event(second, host) for second in (1, 21) for host in hosts] + [event(45, "z")]
    planned = plan(app("    expr: n >= 1"))
    partition = Partition(planned, [json.dumps(each).encode() for each in events], FixedCut(len(hosts)))
    partition.limits = Limits(20_000, limit)
    partition.run()
    assert {status for _, status, _, _ in partition.alerts()} == {"firing", "resolved"}
    assert limit / 2 < partition.widest < limit + 1_000
    assert len(partition.alerts()) > 150


@pytest.mark.parametrize("seed", range(40))
def test_an_updated_alert_ends_with_its_final_row(seed: int) -> None:
    """What resolves an alert judged on update says the whole row of the last window that held, however it was cut."""
    random = Random(seed)  # noqa: S311 - a test's dice
    time, events = 0.0, []
    for _ in range(150):
        time += random.choice((0, 0, 1, 1, 3, 12))
        events.append(event(time - random.choice((0, 0, 0, 2, 4)), random.choice("ab"), random.randrange(9)))
    planned = plan(app("    expr: n >= 3\n    judge: update", "window: {tumbling: 10s, grace: 5s}"))
    values = [json.dumps(each).encode() for each in events]
    limits = Limits(random.choice((4, 20_000)), random.choice((400, 1 << 20)))
    sent = Partition(planned, values, random, limits, crashes=random.choice((0, 0, 6))).run().sent
    resolved = [json.loads(each.value) for each in sent if each.value and b'"resolved"' in each.value]
    assert len(resolved) > 3
    for body in resolved:
        start, end, host = body["window"]["start"], body["window"]["end"], body["labels"]["host"]
        seen = [each["v"] for each in events if each["host"] == host and start <= each["ts"] < end]
        assert body["values"] == {"n": len(seen), "high": max(seen)}
        assert ms(body["endsAt"]) == end + 10 * SECOND


class FixedCut(Random):
    """Dice that never crash and cut batches of one size."""

    def __init__(self, size: int) -> None:
        """Keep the size."""
        super().__init__(0)
        self._size = size

    def choice(self, seq: Any) -> Any:
        """Return the size."""
        del seq
        return self._size

    def random(self) -> float:
        """Return what never crashes and never restarts early."""
        return 0.99


def test_without_window_for_elapses_by_the_watermark() -> None:
    """Without window a row is judged by each update, and `for` passes with the watermark, also for untouched keys."""
    harness = Harness(app("    expr: high >= 5\n    for: 30s", ""))
    harness.feed("s", event(0, "a", 9))
    harness.feed("s", event(10, "b"))
    assert changes(harness) == []
    assert [alert.state for alert in harness.alerts()] == ["pending"]
    harness.feed("s", event(45, "b"))
    assert changes(harness) == [("a", "firing", 30, None)]


def test_without_window_silence_lets_for_elapse() -> None:
    """When the input is silent, `for` passes with the clock."""
    harness = Harness(app("    expr: high >= 5\n    for: 5m", ""))
    harness.feed("s", event(0, "a", 9))
    harness.advance("4m")
    assert changes(harness) == []
    harness.advance("2m")
    assert changes(harness) == [("a", "firing", 300, None)]


def test_labels_and_annotations() -> None:
    """Labels are key fields, declared ones and alertname, empty ones are left out; annotations see the row."""
    text = """    expr: n >= 1
    labels: {severity: page, none: "", twice: "{{ $labels.host }}-{{ $labels.host }}"}
    annotations: {summary: "{{ host }} {{ n }} {{ $value }}"}"""
    harness = Harness(app(text))
    harness.feed("s", event(1))
    harness.feed("s", event(11, "b"))
    (fired,) = harness.emitted("t-alerts")
    assert fired.value["labels"] == {"alertname": "A", "host": "a", "severity": "page", "twice": "a-a"}
    assert fired.value["annotations"] == {"summary": "a 1 1"}


def test_a_label_that_changes_is_another_alert() -> None:
    """A label that shows the row makes a new alert when it changes; the old one is resolved in the same step."""
    text = '    expr: n >= 1\n    labels: {level: "{{ n }}"}'
    harness = Harness(app(text))
    for second in (1, 11, 12, 21):
        harness.feed("s", event(second))
    found = [(e.value["labels"]["level"], e.value["status"]) for e in harness.emitted("t-alerts")]
    assert found == [("1", "firing"), ("1", "resolved"), ("2", "firing")]
    assert len({e.key for e in harness.emitted("t-alerts")}) == 2


def test_resolved_keeps_the_last_row_that_held() -> None:
    """The resolved event has values, annotations and window of the last evaluation that held, also after a restart."""
    planned = plan(app('    expr: n >= 2\n    annotations: {s: "{{ n }}"}'))
    values = [json.dumps(event(second)).encode() for second in (1, 2, 11, 12, 13, 21, 35)]
    for seed in range(30):
        partition = Partition(planned, values, Random(seed), crashes=5).run()  # noqa: S311 - a test's dice
        bodies = [json.loads(each.value or b"") for each in partition.sent if each.topic == "t-alerts"]
        ended = [body for body in bodies if body["status"] == "resolved"]
        assert ended
        assert all(
            (b["annotations"]["s"], b["values"]["n"], b["window"]["start"] - BASE) == ("3", 3, 10_000) for b in ended
        )


def test_an_alert_of_a_rule_that_is_gone_leaves_the_changelog() -> None:
    """When a rule is taken out of the declaration, the states of its alerts get tombstones."""
    values = [json.dumps(event(second)).encode() for second in (1, 2, 11)]
    partition = Partition(plan(app("    expr: n >= 2")), values, FixedCut(3)).run()
    assert any(record.key.startswith(b"aA\0") for record in partition.changelog)
    renamed: Plan = plan(loads(DECLARATION_WITHOUT_A))
    after = Partition(renamed, values, FixedCut(3), changelog=partition.changelog).run()
    last = {record.key: record.value for record in after.changelog}
    assert last[b"aA\0a"] is None


DECLARATION_WITHOUT_A = f"""
app: t
streams:
  s: {{topic: s, time: {{field: ts, unit: ms}}, key: host}}
tables:
  c:
    from: s
    key: host
    window: {{tumbling: 10s, grace: 0s}}
    aggregates: {{{AGGREGATES}}}
"""
