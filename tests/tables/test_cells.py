"""Cells against a plain-Python oracle that judges lateness record by record."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.aggregates.count import Count
from tables.aggregates.last import Last
from tables.aggregates.quantile import Quantile
from tables.aggregates.sum import Sum
from tables.cells import Cells
from tables.columns import Column
from tables.groups import Index
from tables.records import NEVER, Progress, cell_key
from tables.spec import Table
from tables.store import MemoryStore
from tables.windows.hopping import Hopping

Row = tuple[int, str, int]
"""(event time, key, value)."""
WINDOWS = [
    Hopping(10, every=10, grace=0),
    Hopping(10, every=10, grace=7),
    Hopping(30, every=10, grace=0),
    Hopping(30, every=10, grace=5),
    Hopping(25, every=10, grace=4),
    None,
]


def table(window: Hopping | None, **options: Any) -> Table:
    """Return a table with a plain, a filtered and an order-sensitive aggregate."""
    aggregates = {
        "rows": Count(),
        "total": Sum("x"),
        "odd": Count(where="odd"),
        "odd_total": Sum("x", where="odd"),
        "newest": Last("x"),
    }
    return Table(name="t", from_="s", key=("k",), aggregates=aggregates, window=window, **options)


@dataclass
class Prepared:
    """The rows of a batch that count, as columns."""

    codes: Any
    pane: Any
    first: Any
    time: Any
    offset: Any
    x: Column
    odd: Any

    @property
    def inputs(self) -> dict[str, Any]:
        """Return what each aggregate takes."""
        x, odd = self.x, self.odd
        every = {"rows": (None, None), "total": (None, x), "newest": (None, x)}
        return every | {"odd": (odd, None), "odd_total": (odd, x)}

    def part(self, rows: slice) -> Prepared:
        """Return some of the rows."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return Prepared(**{name: c.take(rows) if name == "x" else c[rows] for name, c in columns.items()})

    def fold_into(self, cells: Cells, rows: slice) -> None:
        """Fold some of the rows."""
        part = self.part(rows)
        cells.fold(part.codes, part.pane, part.first, part.inputs, part.time, part.offset)


class Feeder:
    """Feeds rows to cells as the engine does: one running watermark, rows late for all windows left out."""

    def __init__(self, declared: Table) -> None:
        """Start with nothing seen."""
        self.cells = Cells(declared)
        self.watermark = NEVER
        self.offset = 0

    def feed(self, rows: list[Row]) -> None:
        """Fold one batch."""
        self.prepare(rows).fold_into(self.cells, slice(None))

    def prepare(self, rows: list[Row]) -> Prepared:
        """Return what is folded of a batch."""
        cells, panes = self.cells, self.cells.panes
        time = np.array([t for t, _, _ in rows], np.int64)
        running = np.maximum(np.maximum.accumulate(time), self.watermark)
        pane = panes.pane(time)
        first = panes.counts_from(pane, running)
        kept = np.flatnonzero(~panes.late(pane, first))
        keys = Column("text", np.array([k for _, k, _ in rows], object)).take(kept)
        x = Column("int", np.array([v for _, _, v in rows], np.int64)[kept])
        codes = cells.keys.encode([keys])
        odd = x.values % 2 == 1
        offset = np.arange(self.offset, self.offset + len(rows))[kept]
        self.watermark = int(running[-1])
        self.offset += len(rows)
        return Prepared(codes, pane[kept], first[kept], time[kept], offset, x, odd)


def oracle(rows: list[Row], window: Hopping | None) -> dict[int, dict[str, dict[str, Any]]]:
    """Return window -> key -> results: each row counts in each window that contains it and is still open."""
    members: dict[tuple[int, str], list[tuple[int, int, int]]] = defaultdict(list)
    watermark = NEVER
    for offset, (time, key, value) in enumerate(rows):
        watermark = max(watermark, time)
        if window is None:
            members[0, key].append((time, offset, value))
            continue
        for k in range(time // window.every - window.size, time // window.every + 1):
            inside = k * window.every <= time < k * window.every + window.size
            if inside and k * window.every + window.size + window.grace > watermark:
                members[k, key].append((time, offset, value))
    results: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    for (k, key), seen in members.items():
        values = [value for *_, value in seen]
        odd = [value for value in values if value % 2]
        results[k][key] = {
            "rows": len(values),
            "total": sum(values),
            "odd": len(odd),
            "odd_total": sum(odd),
            "newest": max(seen)[2],
        }
    return results


def read(cells: Cells, k: int) -> dict[str, dict[str, Any]]:
    """Return key -> results of one window."""
    codes = cells.window(k)
    columns = {name: column.tolist() for name, column in cells.results(k).items()}
    keys = [key.decode() for key in cells.keys.keys(codes)]
    assert keys == sorted(keys)
    return {key: {name: columns[name][i] for name in columns} for i, key in enumerate(keys)}


events = st.lists(st.tuples(st.integers(-60, 60), st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=40)
cuts = st.lists(st.integers(1, 39), max_size=6)


def batches(rows: list[Row], at: list[int]) -> list[list[Row]]:
    """Return the rows cut at these places."""
    edges = sorted({0, len(rows), *(c for c in at if c < len(rows))})
    return [rows[a:b] for a, b in pairwise(edges)]


@settings(max_examples=150)
@given(events, cuts, st.sampled_from(WINDOWS), st.booleans())
def test_every_window_equals_the_oracle_however_the_input_is_cut(
    rows: list[Row],
    at: list[int],
    window: Hopping | None,
    restart: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    """Rows in any order, cut anywhere, with writes and restarts in between.

    Each window when it closes, and each open window at the end, holds exactly the rows that came while it was open.
    """
    declared = table(window)
    feeder, store, judged, seen = Feeder(declared), MemoryStore(), NEVER, {}
    for n, batch in enumerate(batches(rows, at)):
        feeder.feed(batch)
        cells, before = feeder.cells, judged
        judged = cells.panes.open_from(feeder.watermark)
        seen |= {k: read(cells, k) for k in cells.occupied(before, judged)}
        store.write(cells.flush(n), n)
        if restart:
            feeder.cells = Cells(declared)
            feeder.cells.load(store, before)
        feeder.cells.evict(before)
    last = feeder.cells
    seen |= {k: read(last, k) for k in last.occupied(judged, 1000)}
    assert seen == oracle(rows, window)


@settings(deadline=None)  # every closed window is read after every row
@given(events, st.sampled_from(WINDOWS[:-1]))
def test_a_closed_window_never_changes(rows: list[Row], window: Hopping) -> None:
    """Whatever comes after a window closed, its rows stay as they were, until they are evicted."""
    feeder, closed = Feeder(table(window)), {}
    for row in rows:
        feeder.feed([row])
        for k in feeder.cells.occupied(NEVER, feeder.cells.panes.open_from(feeder.watermark)):
            now = read(feeder.cells, k)
            assert closed.setdefault(k, now) == now


@given(events, cuts, st.sampled_from(WINDOWS))
def test_touched_windows_are_those_that_changed(rows: list[Row], at: list[int], window: Hopping | None) -> None:
    """After each batch the windows and keys named as touched are exactly those to which a row was added."""
    feeder = Feeder(table(window))
    before: dict[tuple[int, str], int] = {}
    done: list[Row] = []
    for n, batch in enumerate(batches(rows, at)):
        feeder.feed(batch)
        done += batch
        now = oracle(done, window)
        counts = {(k, key): now[k][key]["rows"] for k in now for key in now[k]}
        changed = {at for at, count in counts.items() if before.get(at) != count}
        cells = feeder.cells
        named = cells.touched_windows()
        assert {(k, key.decode()) for k, codes in named for key in cells.keys.keys(codes)} == changed
        for k, codes in named:
            assert cells.results(k, codes)["rows"].tolist() == [counts[k, c.decode()] for c in cells.keys.keys(codes)]
        cells.flush(n)
        assert [(k, c.tolist()) for k, c in cells.changed_windows(n - 1)] == [(k, c.tolist()) for k, c in named]
        assert cells.touched_windows() == []
        before = counts


def test_dirty_cells_are_written_once_with_the_write_that_touched_them() -> None:
    """A flush gives each touched cell one record, keyed by pane, first and key; an untouched cell gives none."""
    feeder = Feeder(table(Hopping(10, every=10, grace=0)))
    feeder.feed([(1, "a", 1), (1, "b", 1), (11, "a", 1), (11, "a", 1)])
    assert feeder.cells.pending == 3
    keys = {record.key for record in feeder.cells.flush(1)}
    assert keys == {cell_key(0, 0, b"a"), cell_key(0, 0, b"b"), cell_key(1, 1, b"a")}
    feeder.feed([(12, "b", 1)])
    (record,) = feeder.cells.flush(2)
    assert record.key == cell_key(1, 1, b"b")
    assert int.from_bytes(record.value[:8], "little") == 2
    assert feeder.cells.flush(3) == []


def test_a_row_late_for_some_windows_goes_to_a_second_cell_of_its_pane() -> None:
    """Windows of 30 every 10; at watermark 30 window 0 is closed, so a row at 25 counts for windows 1 and 2 only."""
    feeder = Feeder(table(Hopping(30, every=10, grace=0)))
    feeder.feed([(25, "a", 1), (30, "a", 1), (25, "a", 1)])
    assert {r.key for r in feeder.cells.flush(1)} == {cell_key(2, 0, b"a"), cell_key(2, 1, b"a"), cell_key(3, 1, b"a")}
    assert [read(feeder.cells, k)["a"]["rows"] for k in (0, 1, 2, 3)] == [1, 3, 3, 1]


def stored(rows: list[Row], declared: Table) -> tuple[Feeder, MemoryStore]:
    """Return a feeder that has folded and written rows, and its store."""
    feeder, store = Feeder(declared), MemoryStore()
    feeder.feed(rows)
    store.write(feeder.cells.flush(1), 1)
    return feeder, store


def test_no_two_cells_have_one_number() -> None:
    """Rule: records name their cell by a number; a row that is used again gives a new one, and so does another life."""
    seen: list[int] = []
    for _ in range(2):
        feeder = Feeder(table(Hopping(10, every=10, grace=0)))
        for window in range(3):
            feeder.feed([(10 * window, key, 1) for key in "abc"])
            first = [part.cells.tolist() for part in feeder.cells.flush(1).cells]
            feeder.feed([(10 * window + 1, key, 1) for key in "cab"])
            again = [part.cells.tolist() for part in feeder.cells.flush(2).cells]
            assert first == again
            seen += [number for part in first for number in part]
            feeder.cells.evict(window + 1)
    assert len(seen) == len(set(seen)) == 18


def test_cells_expire_when_kept_long_enough_within_the_budget() -> None:
    """A tombstone comes only after eviction and after the last window's end + keep; what does not fit waits."""
    feeder, store = stored(
        [(1, k, 1) for k in "abcde"] + [(11, "a", 1)], table(Hopping(10, every=10, grace=0), keep=100)
    )
    cells = feeder.cells
    assert cells.expired(10_000, 10, store) == []
    assert cells.evict(0) == 0
    assert cells.evict(1) == 5
    assert (len(cells), cells.open_groups, len(cells.closed)) == (1, 1, 1)
    assert cells.expired(109, 10, store) == []
    given_keys = []
    for budget in (2, 2, 0, 2, 2):
        tombstones = cells.expired(110, budget, store)
        assert len(tombstones) <= budget
        store.write(tombstones, 2)
        given_keys += [record.key for record in tombstones]
    assert given_keys == [cell_key(0, 0, k.encode()) for k in "abcde"]
    assert store.groups() == {(1, 1)}
    assert len(cells.closed) == 0


def test_after_a_restart_closed_cells_expire_too() -> None:
    """Loading takes closed groups note of, without their cells."""
    feeder, store = stored([(1, "a", 1), (11, "b", 1)], table(Hopping(10, every=10, grace=0), keep=100))
    cells = Cells(feeder.cells.table)
    assert cells.load(store, 1) == 1
    assert (len(cells.closed), [cells.keys.keys(cells.window(k)) for k in (0, 1)]) == (1, [[], [b"b"]])
    assert [record.key for record in cells.expired(110, 10, store)] == [cell_key(0, 0, b"a")]


def test_without_window_nothing_is_evicted_or_expires() -> None:
    """A running total is kept for ever."""
    feeder, store = stored([(1, "a", 1)], table(None, keep=0))
    assert feeder.cells.evict(Progress().judged[0]) == 0
    assert feeder.cells.evict(feeder.cells.panes.open_from(10**15)) == 0
    assert feeder.cells.expired(10**15, 10, store) == []
    assert read(feeder.cells, 0)["a"]["rows"] == 1


def test_codes_of_keys_without_open_cells_are_reclaimed() -> None:
    """Keys of evicted cells make room for others, except those that somebody still refers to."""
    feeder, _ = stored(
        [(1, "a", 1), (1, "b", 1), (1, "c", 1), (11, "b", 1)], table(Hopping(10, every=10, grace=0), max_keys=3)
    )
    cells = feeder.cells
    cells.evict(1)
    pinned = cells.keys.code(b"c")
    assert cells.reclaim(np.array([pinned])) == 1
    feeder.feed([(12, "d", 1), (12, "b", 1)])
    assert read(cells, 1) == {
        "b": {"rows": 2, "total": 2, "odd": 2, "odd_total": 2, "newest": 1},
        "d": {"rows": 1, "total": 1, "odd": 1, "odd_total": 1, "newest": 1},
    }
    assert cells.keys.code(b"c") == pinned


def test_a_cell_of_another_table_is_refused() -> None:
    """Loading cells of another layout says so instead of counting nonsense."""
    _, store = stored([(1, "a", 1)], table(None))
    other = Table(name="o", from_="s", key=("k",), aggregates={"p": Quantile(0.5, "x")})
    with pytest.raises(ValueError, match="cell"):
        Cells(other).load(store)


@given(events, cuts)
def test_an_index_too_small_for_all_groups_changes_nothing(rows: list[Row], at: list[int]) -> None:
    """With room for few dense tables groups take turns, within a batch too."""
    feeder = Feeder(table(Hopping(5, every=5, grace=1000)))
    feeder.cells._map.index = Index(limit=0)  # noqa: SLF001 - the limit is no option of a table
    for batch in batches(rows, at):
        feeder.feed(batch)
    cells = feeder.cells
    assert {k: read(cells, k) for k in cells.occupied(-1000, 1000)} == oracle(rows, Hopping(5, every=5, grace=1000))


@settings(max_examples=150)
@given(events, st.sampled_from(WINDOWS), st.integers(1, 8), st.integers(100, 3000))
def test_a_planned_cut_fits_one_write(rows: list[Row], window: Hopping | None, max_cells: int, max_bytes: int) -> None:
    """Whatever is folded up to the cut makes at most so many records and bytes, and nothing is lost by cutting."""
    feeder = Feeder(table(window))
    batch = feeder.prepare(rows)
    while batch.codes.size:
        n = feeder.cells.plan_cut(batch.codes, batch.pane, batch.first, batch.inputs, max_cells, max_bytes)
        assert n > 0
        batch.fold_into(feeder.cells, slice(0, n))
        records = feeder.cells.flush(1)
        assert len(records) <= max_cells
        assert n == 1 or sum(len(r.key) + len(r.value or b"") for r in records) <= max_bytes
        batch = batch.part(slice(n, None))
    assert {k: read(feeder.cells, k) for k in feeder.cells.occupied(-1000, 1000)} == oracle(rows, window)


@given(events, events, st.sampled_from(WINDOWS), st.integers(1, 8))
def test_a_planned_cut_leaves_no_room_unused(one: list[Row], two: list[Row], window: Hopping | None, most: int) -> None:
    """Where bytes do not matter, the row behind the cut would touch one cell too many, dirty ones counted."""
    feeder = Feeder(table(window))
    feeder.feed(one)
    feeder.cells.flush(1)
    batch = feeder.prepare(two)
    names = [
        cell_key(p, f, feeder.cells.keys.keys(np.array([c]))[0])
        for c, p, f in zip(batch.codes.tolist(), batch.pane.tolist(), batch.first.tolist(), strict=True)
    ]
    n = feeder.cells.plan_cut(batch.codes, batch.pane, batch.first, batch.inputs, most, 1 << 40)
    assert len(set(names[:n])) <= most
    assert n == len(names) or len(set(names[: n + 1])) > most
    batch.fold_into(feeder.cells, slice(0, n))
    again = batch.part(slice(n, None))
    m = feeder.cells.plan_cut(again.codes, again.pane, again.first, again.inputs, most, 1 << 40)
    assert set(names[n : n + m]) <= set(names[:n])


def test_what_several_batches_touched_is_named_once() -> None:
    """A key that two batches fold into stands once among those that are judged, and not again after that."""
    feeder = Feeder(table(Hopping(10, every=10, grace=0)))
    feeder.feed([(1, "a", 1), (2, "b", 1)])
    feeder.feed([(3, "b", 1), (4, "c", 1)])
    ((window, codes),) = feeder.cells.folded_windows()
    assert (window, feeder.cells.keys.keys(codes)) == (0, [b"a", b"b", b"c"])
    assert feeder.cells.folded_windows() == []
