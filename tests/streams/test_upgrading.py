"""Changed declarations over kept state: what lives on, what begins, what is refused; and writing again what lives."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.effects import Limits
from streams.load import loads
from streams.plan import Plan, plan
from streams.upgrading import StateMismatch, told
from tables.aggregates.base import Ragged
from tables.aggregates.quantile import Quantile
from tables.query import Reader
from tables.reading import reader
from tables.records import CELL, CLAIM, OUTBOX, PROGRESS, Record, split_cell_key
from tables.shapes import difference, kept_shapes
from tables.store import MemoryStore
from tests.streams.test_engine import BASE, SECOND, Bench, event, planned

BEFORE = 'n: count(), total: sum("v"), seen: last("v"), p50: \'quantile(0.5, "v")\''
AFTER = 'top: max("v"), n: count(), p50: \'quantile(0.5, "v")\''
HOPPING = "window: {hopping: 20s, every: 10s, grace: 0s}, keep: 1h,"


class Lives(Bench):
    """A table partition over several declarations: each life begins where the last one ended."""

    def turn(self, plan: Plan) -> Lives:
        """Return the next life, under another declaration."""
        after = Lives(plan, store=self.store)
        after.offset = self.offset
        return after

    def rows(self, which: Any = None) -> dict[tuple[int, str], dict[str, Any]]:
        """Return every row that the store holds: (start in s after `BASE`, key)."""
        found = which or reader(self.table.plan.table, self.store, self.table.shapes)
        rows = [row for page in found.between(None, None) for row in page.rows]
        return {((row.start or BASE) // SECOND - BASE // SECOND, row.key.decode()): row.values for row in rows}


def test_columns_live_on_and_others_begin_with_the_next_window() -> None:
    """Kept columns are exact over the change; a new one is null until the first window that began after it."""
    life = Lives(planned(HOPPING, aggregates=BEFORE))
    life.feed(event(1, v=5), event(12, v=7), event(12, "b", v=1))
    life = life.turn(planned(HOPPING, aggregates=AFTER))
    life.feed(event(13, v=3), event(22, v=9), event(33, v=4), event(41, "b", v=2))
    rows = life.rows()
    assert rows[0, "a"] == {"top": None, "n": 3, "p50": pytest.approx(5, rel=0.02)}
    assert rows[10, "a"] == {"top": None, "n": 3, "p50": pytest.approx(7, rel=0.02)}
    assert rows[10, "b"]["top"] is None
    assert rows[20, "a"] == {"top": 9, "n": 2, "p50": pytest.approx(4, rel=0.02)}
    assert rows[40, "b"] == {"top": 2, "n": 1, "p50": pytest.approx(2, rel=0.02)}
    assert life.rows(Reader(life.table.plan.table, life.store)) == rows


def test_a_new_column_of_sessions_begins_with_the_next_session() -> None:
    """A session that had rows before the change shows null, also where it goes on after it; a later one is whole."""
    sessions = "window: {session: 2m, grace: 0s}, keep: 1h,"
    life = Lives(planned(sessions, aggregates="n: count()"))
    life.feed(event(1), event(2, "b"))
    life = life.turn(planned(sessions, aggregates='top: max("v"), n: count()'))
    life.feed(event(100, v=7), event(500, v=9))
    rows = life.rows()
    assert rows == {
        (1, "a"): {"top": None, "n": 2}, (2, "b"): {"top": None, "n": 1}, (500, "a"): {"top": 9, "n": 1}
    }  # fmt: skip
    assert life.rows(reader(life.table.plan.table, life.store)) == rows


def test_another_gap_is_another_table() -> None:
    """State of sessions is not gone on with under another gap, nor under windows of another kind; grace may change."""
    life = Lives(planned("window: {session: 10s, grace: 0s},"))
    life.feed(event(1))
    life.turn(planned("window: {session: 10s, grace: 5s},")).feed(event(2))
    for other in ("{session: 11s, grace: 0s}", "{tumbling: 10s, grace: 0s}"):
        with pytest.raises(StateMismatch, match="the window changed"):
            life.turn(planned(f"window: {other},"))


def test_a_row_that_is_judged_or_sent_has_no_partial_column() -> None:
    """Emitted rows and alerts see null where views do."""
    life = Lives(planned("emit: close,", aggregates="n: count()"))
    life.feed(event(1))
    life = life.turn(planned("emit: close,", aggregates="n: count(), again: count()"))
    writes = life.feed(event(2), event(11), event(21))
    sent = [write_event.value for write in writes for write_event in write.events]
    first = (sent[0] or b"").replace(b" ", b"")
    assert b'"n":2' in first
    assert b'"again":null' in first
    assert b'"again":1' in (sent[1] or b"").replace(b" ", b"")


def test_a_column_that_comes_back_is_another_column() -> None:
    """What was counted before a column was taken out is not mixed with what is counted after it came back."""
    life = Lives(planned("window: none,", aggregates="n: count(), m: count()"))
    life.feed(event(1), event(1, "b"), event(2, "b"))
    life = life.turn(planned("window: none,", aggregates="n: count()"))
    life.feed(event(3))
    life = life.turn(planned("window: none,", aggregates="n: count(), m: count()"))
    life.feed(event(4), event(5, "b"))
    found = {key: values for (_, key), values in life.rows().items()}
    assert found == {"a": {"n": 3, "m": 1}, "b": {"n": 3, "m": 1}}


def test_order_and_what_is_done_with_rows_do_not_matter() -> None:
    """Columns in another order, another keep, grace, emit or alert: the counts go on, and nothing is partial."""
    life = Lives(planned("keep: 1h,", aggregates=BEFORE))
    life.feed(event(1, v=5))
    turned = 'seen: last("v"), p50: \'quantile(0.5, "v")\', total: sum("v"), n: count()'
    life = life.turn(planned("keep: 2h, emit: close, window: {tumbling: 10s, grace: 5s},", aggregates=turned))
    life.feed(event(2, v=6))
    values = life.rows()[0, "a"]
    assert (values["n"], values["total"], values["seen"]) == (2, 11, 6)


def test_sketches_of_before_they_were_packed_live_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: another form of the same entries is no other column: quantiles go on in the window that was open."""
    quantile = "n: count(), p90: 'quantile(0.9, \"v\")'"
    with monkeypatch.context() as before:
        before.setattr(Quantile, "columns", lambda _: {"buckets": Ragged("<i8")})
        life = Lives(planned(HOPPING, aggregates=quantile))
        life.feed(*(event(1, v=v) for v in (5, 5, 900)), event(2, "b", v=3))
    old = life.table.plan.shape
    life = life.turn(planned(HOPPING, aggregates=quantile))
    changed = difference(old, life.table.plan.shape)
    assert (bool(changed), told(changed)) == (False, "keeps its columns, and writes them in another order or form")
    life.feed(*(event(3, v=v) for v in [5] * 6), event(12, v=8))
    rows = life.rows()
    assert rows[0, "a"] == {"n": 10, "p90": pytest.approx(8, rel=0.02)}
    assert rows[0, "b"] == {"n": 1, "p90": pytest.approx(3, rel=0.02)}
    assert life.turn(planned(HOPPING, aggregates=quantile)).table.progress.shape == life.table.progress.shape == 1


@pytest.mark.parametrize(
    ("table", "stream", "said"),
    [
        ("window: {tumbling: 20s, grace: 0s},", "", "the window changed"),
        ("window: none,", "", "the window changed"),
        ('where: "v > 0",', "", "a condition"),
        ("", 'where: "v > 0",', "a condition"),
    ],
)
def test_another_base_is_refused_and_named(table: str, stream: str, said: str) -> None:
    """State of another window, key or condition is never mixed; the error names what changed."""
    life = Lives(planned())
    life.feed(event(1, v=1))
    with pytest.raises(StateMismatch, match=said):
        life.turn(planned(table, stream))


def test_a_derived_field_of_one_column_changes_that_column_only() -> None:
    """A column whose derived field means something else begins anew; the others go on."""
    life = Lives(planned('window: none, derive: {w: "v * 2"},', aggregates='n: count(), t: sum("w")'))
    life.feed(event(1, v=1))
    life = life.turn(planned('window: none, derive: {w: "v * 3"},', aggregates='n: count(), t: sum("w")'))
    life.feed(event(2, v=1))
    assert life.rows()[0, "a"] == {"n": 2, "t": 3}


COLUMNS = {
    "n": "count()",
    "t": 'sum("v")',
    "low": 'min("v")',
    "seen": 'last("v")',
    "q": "'quantile(0.5, \"v\")'",
    "all": "'top_k(3, \"v\")'",
}


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_any_order_of_changes_keeps_what_lived_all_along(seed: int) -> None:
    """Columns that were declared all along equal those of a table that never changed, whatever came and went."""
    random = Random(seed)  # noqa: S311 - a test's choices
    steps = [
        sorted(random.sample(sorted(COLUMNS), random.randrange(1, 5)), key=lambda _: random.random()) for _ in "1234"
    ]
    life, plain = None, Lives(planned(HOPPING, aggregates=said(list(COLUMNS))))
    second = 0
    for names in steps:
        made = planned(HOPPING, aggregates=said(["n", *(name for name in names if name != "n")]))
        life = life.turn(made) if life else Lives(made)
        for _ in range(random.randrange(4)):
            second += random.randrange(9)
            events = [event(second, random.choice("ab"), v=random.randrange(100)) for _ in range(3)]
            life.feed(*events)
            plain.feed(*events)
    assert life is not None
    always = set(steps[0]).intersection(*steps[1:]) | {"n"}
    expected = plain.rows()
    found = life.rows()
    assert found.keys() == expected.keys()
    for at, values in found.items():
        for name, value in values.items():
            assert value == expected[at][name] or (value is None and name not in always)


def said(names: list[str]) -> str:
    """Return columns as a declaration says them."""
    return ", ".join(f"{name}: {COLUMNS[name]}" for name in names)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_nothing_alive_is_lost_with_the_old_records(seed: int) -> None:
    """Once everything was written again, all older records may be deleted: a restore finds the same state."""
    random = Random(seed)  # noqa: S311 - a test's choices
    life = Lives(planned("window: none,", aggregates=BEFORE), Limits(records=random.choice((2, 3, 50))))
    log: list[Record] = [record for write in life.writes for record in write.records]
    for _ in range(random.randrange(1, 6)):
        events = [event(random.randrange(50), random.choice("abcdefg"), v=random.randrange(9)) for _ in range(4)]
        log += [record for write in life.feed(*events) for record in write.records]
    floor = len(log)
    while life.table.progress.rewritten != 77:
        log += [record for write in life.drive(life.table.rewrite(77, floor)) for record in write.records]
        if random.random() < 0.5:
            log += [record for write in life.feed(event(60, "z", v=1)) for record in write.records]
    assert life.table.progress.floor == floor
    left = MemoryStore()
    left.write(log[floor:], len(log))
    assert living(left) == living(life.store)
    assert kept_shapes(left) == kept_shapes(life.store)


def living(store: MemoryStore) -> dict[bytes, bytes]:
    """Return what is alive in a store."""
    return {key: value for key, value in store.scan(b"") if not key.startswith((OUTBOX, CLAIM))}


def test_what_is_written_again_owes_nothing_and_fits_its_writes() -> None:
    """A pass sends no event, keeps within the limits of a write, and ends each write with progress."""
    life = Lives(planned("emit: update,"), Limits(records=4))
    life.feed(*(event(1, f"h{i}") for i in range(9)))
    passes = []
    while life.table.progress.rewritten != 5:
        passes += life.drive(life.table.rewrite(5, 0))
    assert [event for write in passes for event in write.events] == []
    assert all(len(write.records) <= 4 and write.records[-1].key == PROGRESS for write in passes)
    keys = [split_cell_key(r.key)[2] for w in passes for r in w.records if r.key.startswith(CELL)]
    assert sorted(keys) == [f"h{i}".encode() for i in range(9)]


def test_an_alert_lives_on_over_a_new_column_that_it_shows() -> None:
    """A firing alert whose annotations name a column that has just begun goes on, and can be shown."""
    yaml = """
app: t
streams:
  s: {{topic: s, time: {{field: ts, unit: ms}}, key: host}}
tables:
  c: {{from: s, key: host, window: {{tumbling: 10s, grace: 0s}}, aggregates: {{{0}}}}}
alerts:
  - {{alert: Busy, table: c, expr: "n > 1", annotations: {{summary: "{1}"}}}}
"""
    life = Lives(plan(loads(yaml.format("n: count()", "many"))))
    life.feed(event(1), event(2), event(11))
    assert [view.state for view in life.table.alerts()] == ["firing"]
    life = life.turn(plan(loads(yaml.format("n: count(), top: max('v')", "top {{ top }}"))))
    assert [view.state for view in life.table.alerts()] == ["firing"]
    life.feed(event(12, v=1), event(21, v=4), event(22, v=4), event(31))
    assert [view.annotations["summary"] for view in life.table.alerts()] == ["top 4"]
