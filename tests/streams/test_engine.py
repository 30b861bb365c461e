"""The engine's edges: dead letters, skipped offsets, late rows, ticks, idle origins, limits; and how much it works."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streams import reasons
from streams.effects import Batch, Event, Limits, Records, Write
from streams.engine import StreamEngine
from streams.load import loads
from streams.plan import Plan, plan
from streams.room import MUCH
from streams.table_engine import TableEngine
from streams.upgrading import StateMismatch
from tables.records import NEVER, PROGRESS, Progress, Record
from tables.store import MemoryStore

BASE = 1_700_000_000_000
SECOND, DAY = 1000, 86_400_000
ORIGIN = "s-0"


def planned(table: str = "", stream: str = "", aggregates: str = "n: count()") -> Plan:
    """Return the plan of one stream and one table, 10 s windows without grace unless `table` says otherwise."""
    window = "" if "window" in table else "window: {tumbling: 10s, grace: 0s},"
    return plan(
        loads(f"""
app: t
streams:
  s: {{topic: s, time: {{field: ts, unit: ms}}, key: host, {stream}}}
tables:
  c: {{from: s, key: host, {window} {table} aggregates: {{{aggregates}}}}}
""")
    )


class Bench:
    """A stream and a table engine over a store, driven without faults."""

    def __init__(self, plan: Plan, limits: Limits | None = None, store: MemoryStore | None = None) -> None:
        """Open the table partition."""
        (stream,) = plan.streams.values()
        self.stream, self.table = StreamEngine(stream, 0), TableEngine(stream.tables[0], 0, limits)
        self.store, self.offset = store or MemoryStore(), 0
        self.writes: list[Write] = []
        self.dead: list[Event] = []
        self.table.load(self.store)
        if not self.table.progress.origins:
            self.drive(self.table.start(ORIGIN, -1))
        self.drive(self.table.resume())

    def drive(self, writes: Any) -> list[Write]:
        """Carry out writes."""
        made = []
        for write in writes:
            self.store.write(write.records, None)
            made.append(write)
        self.writes += made
        return made

    def feed(self, *events: dict[str, Any] | bytes | None, keys: list[bytes | None] | None = None) -> list[Write]:
        """Fold events as one batch."""
        values = [json.dumps(e).encode() if isinstance(e, dict) else e for e in events]
        return self.take(values, keys)

    def take(self, values: list[bytes | None], keys: list[bytes | None] | None = None) -> list[Write]:
        """Fold values as one batch; keys are looked up one by one where somebody asks."""
        lo, n = self.offset, len(values)
        self.offset += n
        key_of = None if keys is None else keys.__getitem__
        stamps = np.full(n, BASE + 3600 * SECOND)
        batch, dead = self.stream.decode(Records(lo, lo + n, np.arange(lo, lo + n), stamps, values, None, key_of))
        self.dead += dead
        return self.drive(self.table.fold(batch))


def event(second: float, host: Any = "a", **more: Any) -> dict[str, Any]:
    """Return an event at a second after `BASE`."""
    return {"host": host, "ts": BASE + round(second * SECOND), **more}


def reason(letter: Event) -> str:
    """Return the reason code of a letter."""
    return dict(letter.headers)["__streams.errors.exception"].decode()


def test_bad_records_become_dead_letters_with_their_bytes() -> None:
    """What cannot be decoded or timed comes out with original key and value, reason, topic, partition and offset."""
    bench = Bench(planned())
    bad = b'{"host": "a", "ts": -5}', b"\xff", None
    bench.feed(event(1), bad[0], event(2), bad[1], bad[2], event(90_000), keys=[b"0", b"1", b"2", b"3", None, b"5"])
    assert [(letter.key, letter.value) for letter in bench.dead[:3]] == [(b"1", bad[0]), (b"3", bad[1]), (None, None)]
    codes = [reasons.BAD_TIME, reasons.INVALID_UTF8, reasons.EMPTY_VALUE, reasons.TIME_TOO_FAR_AHEAD]
    assert [reason(letter) for letter in bench.dead] == codes
    headers = dict(bench.dead[1].headers)
    names = ("topic", "partition", "offset")
    assert [headers[f"__streams.errors.{name}"] for name in names] == [b"s", b"0", b"3"]
    assert {letter.topic for letter in bench.dead} == {"t-dead-letters"}
    assert bench.table.stats.folded == 2
    assert sum(bench.stream.stats.dead.values()) == 4


def test_files_are_not_checked_against_the_clock() -> None:
    """Over files, whose records have no clock of their own, event time may be later than the timestamp."""
    (stream,) = planned().streams.values()
    engine = StreamEngine(stream, 0, ahead=False)
    values: list[bytes | None] = [json.dumps(event(90_000)).encode()]
    batch, dead = engine.decode(Records(0, 1, np.arange(1), np.full(1, BASE), values))
    assert (len(batch), dead) == (1, [])


def test_a_null_key_is_a_dead_letter_of_the_table() -> None:
    """A row whose key field is null is refused, and goes out before the write that says it was read."""
    bench = Bench(planned())
    (write,) = bench.feed(event(1, None), event(1, "a"), keys=[b"k", b"a"])
    (letter,) = write.letters
    assert (reason(letter), letter.key) == (reasons.NULL_KEY, b"k")
    assert bench.table.stats.dead == {reasons.NULL_KEY: 1}


def test_too_many_keys_are_dead_letters() -> None:
    """Above max_keys a new key is refused; known keys are counted on."""
    bench = Bench(few_keys(2))
    (write,) = bench.feed(event(1, "a"), event(1, "b"), event(1, "c"), event(2, "a"))
    assert [reason(letter) for letter in write.letters] == [reasons.TOO_MANY_KEYS]
    assert bench.table.stats.folded == 3


def few_keys(limit: int) -> Plan:
    """Return a plan whose table has room for so many keys."""
    made = planned()
    (stream,) = made.streams.values()
    (table,) = stream.tables
    small = replace(table, table=replace(table.table, max_keys=limit))
    return replace(made, streams={stream.name: replace(stream, tables=(small,))})


def test_late_rows_go_to_the_late_topic() -> None:
    """A row that is late for all its windows is counted once and, if there is a late topic, carried on as it came."""
    bench = Bench(planned("late: t-late,"))
    bench.feed(event(25))
    (write,) = bench.feed(event(3), event(21), keys=[b"x", b"y"])
    (letter,) = write.letters
    assert (letter.topic, letter.key, reason(letter)) == ("t-late", b"x", "late")
    assert bench.table.stats.late == 1


def test_what_where_drops_moves_the_watermark() -> None:
    """Rows that the stream or the table filters are not counted, but their time passes; bad ones have none."""
    for made in (planned(stream="where: 'n > 0'"), planned("where: 'n > 0',")):
        bench = Bench(made)
        bench.feed(event(1, n=1), event(35, n=0))
        assert bench.table.stats.folded == 1
        assert bench.table.progress.watermark == BASE + 35 * SECOND
        bench.feed(event(2, n=1))
        assert bench.table.stats.late == 1


def test_offsets_that_were_folded_are_skipped() -> None:
    """Read again from an earlier offset, nothing is counted twice, and old times do not make new rows late."""
    bench = Bench(planned())
    bench.feed(event(1), event(2))
    bench.offset = 0
    bench.feed(event(1), event(2), event(3))
    assert (bench.table.stats.folded, bench.table.stats.skipped) == (3, 2)
    bench.offset = 1
    assert bench.feed(event(2)) == []


def test_a_new_table_has_no_watermark_for_what_it_skips() -> None:
    """A table that begins in mid-stream has not seen what lies before: its time makes nothing late."""
    bench = Bench(planned())
    bench.table.progress.origins[ORIGIN].z = 0
    bench.feed(event(100), event(1))
    assert (bench.table.stats.folded, bench.table.stats.late) == (1, 0)
    assert bench.table.progress.watermark == BASE + SECOND


def test_a_batch_without_a_good_row_is_progress() -> None:
    """A range of offsets that holds nothing to fold is written down as read."""
    bench = Bench(planned())
    (write,) = bench.feed(b"bad", b"bad")
    assert [record.key for record in write.records] == [PROGRESS]
    assert bench.table.progress.origins[ORIGIN].z == 1


def test_a_tick_is_written_before_it_closes() -> None:
    """The first write of a tick holds nothing but progress; the windows close in the next."""
    bench = Bench(planned("emit: close,"))
    bench.feed(event(1))
    assert bench.table.next_close() == BASE + 10 * SECOND
    first, second = bench.drive(bench.table.tick(BASE + 10 * SECOND))
    assert ([record.key for record in first.records], first.events) == ([PROGRESS], [])
    assert [each.key for each in second.events] == [b"a"]
    assert bench.table.next_close() == BASE + 10 * SECOND + DAY  # then it expires
    assert bench.drive(bench.table.tick(BASE)) == []


def test_a_closed_window_stays_closed() -> None:
    """After a tick closed a window, a row that its input says is on time does not come into it any more."""
    bench = Bench(planned())
    bench.feed(event(1))
    bench.drive(bench.table.tick(BASE + 60 * SECOND))
    bench.feed(event(5))
    assert bench.table.stats.late == 1


def empty(origin: str, *, idle: bool, at: int) -> Batch:
    """Return a batch without rows that ends before offset `at`."""
    none = np.empty(0, np.int64)
    return Batch(origin, at, at, np.empty(0, np.intp), {}, none, none, idle=idle)


def rows(origin: str, offset: int, *events: dict[str, Any]) -> Batch:
    """Return a decoded batch of an origin."""
    engine = StreamEngine(next(iter(planned().streams.values())), 0)
    values: list[bytes | None] = [json.dumps(each).encode() for each in events]
    n, stamps = len(values), np.full(len(values), BASE + 3600 * SECOND)
    batch, _ = engine.decode(Records(offset, offset + n, np.arange(offset, offset + n), stamps, values))
    batch.origin = origin
    return batch


def test_windows_close_by_the_least_origin_that_is_not_idle() -> None:
    """The slowest input holds windows open until it says that it is idle; the watermark never goes back."""
    bench = Bench(planned("emit: close,"))
    bench.drive(bench.table.start("s-1", -1))
    assert bench.drive(bench.table.fold(rows(ORIGIN, 0, event(1), event(35))))[-1].events == []
    assert bench.table.progress.watermark == NEVER
    bench.drive(bench.table.fold(rows("s-1", 0, event(2))))
    assert bench.table.progress.watermark == BASE + 2 * SECOND
    (write,) = bench.drive(bench.table.fold(empty("s-1", idle=True, at=1)))
    assert [json.loads(each.value or b"")["n"] for each in write.events] == [2]
    assert bench.table.progress.watermark == BASE + 35 * SECOND
    bench.drive(bench.table.fold(rows("s-1", 1, event(9), event(31))))
    assert bench.table.progress.watermark == BASE + 35 * SECOND
    assert bench.table.stats.late == 1


def test_lateness_is_judged_by_the_own_origin() -> None:
    """A row of a slow origin is on time although a fast one is far ahead."""
    bench = Bench(planned())
    bench.drive(bench.table.start("s-1", -1))
    bench.drive(bench.table.fold(rows(ORIGIN, 0, event(100))))
    bench.drive(bench.table.fold(rows("s-1", 0, event(1))))
    assert (bench.table.stats.late, bench.table.stats.folded) == (0, 2)


def test_writes_keep_their_limits() -> None:
    """However many cells a batch touches, no write has more records or bytes than allowed, and nothing is lost."""
    limits = Limits(records=50, size=4_000)
    bench = Bench(planned("emit: close,", aggregates="n: count(), q: 'quantile(0.5, \"v\")'"), limits)
    many = [event(i % 9, f"host-{i % 170}", v=i) for i in range(1_000)]
    writes = bench.feed(*many) + bench.feed(event(30))
    assert max(len(write.records) for write in writes) <= limits.records
    assert max(sum(len(r.key) + len(r.value or b"") for r in write.records) for write in writes) <= limits.size
    emitted = [json.loads(each.value or b"") for write in writes for each in write.events]
    assert sum(row["n"] for row in emitted) == 1_000
    assert len(emitted) == 170


def test_a_row_that_fits_no_write_is_a_dead_letter() -> None:
    """A text or a key that is too long for a changelog record is refused; the rows beside it count."""
    bench = Bench(planned(aggregates='n: count(), final: last("v")'), Limits(size=4_000))
    writes = bench.feed(event(1, v="x" * 3_000), event(1, v="y"), event(1, "k" * 3_000, v="z"), event(1, "b", v="w"))
    letters = [letter for write in writes for letter in write.letters]
    assert [reason(letter) for letter in letters] == [reasons.TOO_LARGE] * 2
    assert bench.table.stats.folded == 2


ALERT = """
  c: {from: s, key: host, window: {tumbling: 10s, grace: 0s}, emit: close, aggregates: {n: count()}}
alerts:
  - {alert: A, table: c, expr: n >= 2}
"""


def test_resume_sends_what_the_last_write_owed() -> None:
    """After a restart the events of the last write come again, byte for byte, and nothing of the writes before it."""
    made = plan(loads(f"app: t\nstreams:\n  s: {{topic: s, time: {{field: ts, unit: ms}}, key: host}}\ntables:{ALERT}"))
    bench = Bench(made)
    bench.feed(event(1), event(2), event(1, "b"), event(2, "b"))
    (fired,) = bench.feed(event(11), event(12))
    (again,) = Bench(made, store=bench.store).writes
    assert again.records == []
    assert again.events == fired.events
    assert len(fired.events) == 4
    (resolved,) = bench.feed(event(21))
    (again,) = Bench(made, store=bench.store).writes
    assert again.events == resolved.events
    assert len(resolved.events) == 2


def test_expired_cells_get_tombstones_in_a_later_write() -> None:
    """A cell goes when its last window end + keep has passed, not before the write after its windows were judged.

    If its rows were emitted, they are withdrawn with that write, and the cell goes with the one after.
    """
    bench = Bench(planned("emit: close, keep: 20s,"))
    bench.feed(event(1))
    (jump,) = bench.feed(event(100))
    assert [record for record in jump.records if record.value is None] == []
    (withdrawn,) = bench.feed(event(101))
    assert [record for record in withdrawn.records if record.value is None] == []
    assert [(each.key, each.value) for each in withdrawn.events] == [(b"a", None)]
    (after,) = bench.feed(event(102))
    assert [record.key[17:] for record in after.records if record.value is None] == [b"a"]
    assert bench.table.stats.tombstones == 1


def test_state_of_another_declaration_is_refused() -> None:
    """State whose fingerprint is not that of the declared table is named, not read."""
    store = MemoryStore()
    store.write([Record(PROGRESS, Progress(fingerprint="other").encode())], None)
    with pytest.raises(StateMismatch, match="table c"):
        Bench(planned(), store=store)


CALLS = 1_500
"""Python function calls that one batch may cost, whatever its size."""


@pytest.mark.parametrize("window", ["{tumbling: 10s, grace: 5s}", "{session: 10s}", "{sliding: 1s}", "{count: 100}"])
def test_work_does_not_grow_with_events(window: str) -> None:
    """A batch of 10,000 events costs a bounded number of Python function calls: no loop over events runs in Python."""
    made = planned(
        f"window: {window},",
        aggregates='n: count(), total: sum("v"), low: min("v"), high: max("v"), p95: \'quantile(0.95, "v")\'',
    )
    bench, calls = Bench(made), 0
    values: list[bytes | None] = [
        json.dumps(event(i / 2_000, f"host-{i % 100}", v=i % 977 / 8)).encode() for i in range(20_000)
    ]
    bench.take(values[:10_000])

    def count(frame: Any, kind: str, argument: Any) -> None:
        nonlocal calls
        del argument
        calls += kind == "call" and not frame.f_code.co_filename.endswith("store.py")  # in memory, a call a record

    sys.setprofile(count)
    try:
        bench.take(values[10_000:])
    finally:
        sys.setprofile(None)
    assert 0 < calls < CALLS
    assert bench.table.stats.folded == 20_000


def test_others_get_a_turn_after_a_large_batch() -> None:
    """After many rows a write of nothing comes before that which holds them: it lets the event loop go on."""
    bench = Bench(planned())
    value = json.dumps(event(1)).encode()
    assert [bool(write.records) for write in bench.take([value] * MUCH)] == [True]
    pause, write = bench.take([value] * (MUCH + 1))
    assert [pause.records, pause.events, pause.letters] == [[], [], []]
    assert write.records
    assert (pause.last, write.last) == (False, True)
