"""Rows read from a store against plain Python."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.aggregates.count import Count
from tables.aggregates.last import Last
from tables.cells import Cells
from tables.columns import Column
from tables.query import SEEK, Reader, Row
from tables.records import NEVER, PROGRESS, Progress, Record
from tables.spec import Table
from tables.store import MemoryStore
from tables.windows.hopping import Hopping

WINDOWS = [Hopping(10, every=10, grace=0), Hopping(30, every=10, grace=0), Hopping(25, every=10, grace=4), None]
KEYS = ["a", "ab", "abc", "b", "c"]
Event = tuple[int, str, int]
Oracle = dict[tuple[str, int], tuple[int, int]]


def table(window: Hopping | None) -> Table:
    """Return a table that counts and keeps the newest value."""
    return Table(name="t", from_="s", key=("k",), aggregates={"n": Count(), "newest": Last("x")}, window=window)


def filled(rows: list[Event], window: Hopping | None, judged: int = NEVER) -> tuple[Reader, Oracle]:
    """Return a reader of a store that holds the rows (one write each), and (key, window) -> (count, newest)."""
    cells, store, watermark = Cells(table(window)), MemoryStore(), NEVER
    members: dict[tuple[str, int], list[tuple[int, int, int]]] = defaultdict(list)
    for n, (time, key, value) in enumerate(rows, 1):
        watermark = max(watermark, time)
        at = np.array([time], np.int64)
        pane = cells.panes.pane(at)
        first = cells.panes.counts_from(pane, np.array([watermark]))
        if not cells.panes.late(pane, first)[0]:
            codes = cells.keys.encode([Column("text", np.array([key], object))])
            inputs = {"n": (None, None), "newest": (None, Column("int", np.array([value])))}
            cells.fold(codes, pane, first, inputs, at, np.array([n]))
        store.write([*cells.flush(n), Record(PROGRESS, Progress(n=n, judged=(judged, "")).encode())], n)
        for k in counted_in(window, time, watermark):
            members[key, k].append((time, n, value))
    return Reader(cells.table, store), {at: (len(seen), max(seen)[2]) for at, seen in members.items()}


def counted_in(window: Hopping | None, time: int, watermark: int) -> list[int]:
    """Return the windows in which a row counts: those that contain it and are open."""
    if window is None:
        return [0]
    inside = [k for k in range(-40, 40) if k * window.every <= time < k * window.every + window.size]
    return [k for k in inside if k * window.every + window.size + window.grace > watermark]


def row(window: Hopping | None, key: str, k: int, result: tuple[int, int], judged: int = NEVER) -> Row:
    """Return the expected row."""
    start, end = (k * window.every, k * window.every + window.size) if window else (None, None)
    return Row(key.encode(), start, end, {"n": result[0], "newest": result[1]}, k < judged)


events = st.lists(st.tuples(st.integers(-60, 60), st.sampled_from(KEYS), st.integers(0, 9)), min_size=1, max_size=25)


@settings(max_examples=100)
@given(events, st.sampled_from(WINDOWS), st.integers(-70, 70), st.integers(-70, 70), st.integers(-8, 8))
def test_the_rows_of_a_key_are_those_of_the_oracle(
    rows: list[Event], window: Hopping | None, from_: int, to: int, judged: int
) -> None:
    """All windows of a key that start in the asked time, oldest first, merged from panes and second cells."""
    reader, expected = filled(rows, window, judged)
    for key in KEYS:
        mine = sorted(k for name, k in expected if name == key)
        everything = [row(window, key, k, expected[key, k], judged) for k in mine]
        assert reader.get(key.encode()) == everything
        inside = [r for r in everything if r.start is None or from_ <= r.start < to]
        assert reader.get(key.encode(), from_, to) == inside


@settings(max_examples=100)
@given(events, st.sampled_from(WINDOWS), st.sampled_from(["", "a", "ab", "x"]), st.integers(1, 3))
def test_pages_of_latest_rows_join_to_the_whole_table(
    rows: list[Event], window: Hopping | None, prefix: str, limit: int
) -> None:
    """Page after page gives each key once, in byte order, with the newest window that has its data."""
    reader, expected = filled(rows, window)
    got: list[Row] = []
    after: bytes | None = None
    while True:
        page = reader.latest(prefix.encode(), after, limit)
        assert page.complete
        assert len(page.rows) <= limit
        got += page.rows
        after = page.after
        if after is None:
            break
    newest = {key: max(k for name, k in expected if name == key) for key, _ in expected if key.startswith(prefix)}
    assert got == [row(window, key, newest[key], expected[key, newest[key]]) for key in sorted(newest)]
    assert reader.count_keys() == (len({key for key, _ in expected}), True)


@settings(max_examples=100)
@given(events, st.sampled_from(WINDOWS), st.integers(1, 3))
def test_pages_of_a_window_join_to_the_whole_window(rows: list[Event], window: Hopping | None, limit: int) -> None:
    """Every window that has rows is listed, and read page after page."""
    reader, expected = filled(rows, window)
    assert reader.windows() == sorted({k for _, k in expected})
    for k in reader.windows():
        got: list[Row] = []
        after: bytes | None = None
        while True:
            page = reader.window(k, after, limit)
            got += page.rows
            after = page.after
            if after is None:
                break
        assert got == [row(window, key, k, expected[key, k]) for key in KEYS if (key, k) in expected]


def test_work_is_bounded_and_the_answer_says_so() -> None:
    """With a small budget the newest windows are searched and the page is not complete."""
    reader, _ = filled([(0, "old", 1), (10, "b", 1), (20, "a", 1), (20, "b", 2)], Hopping(10, every=10, grace=0))
    page = reader.latest(budget=SEEK + 1)
    assert ([r.key for r in page.rows], page.complete) == ([b"a", b"b"], False)
    assert reader.latest(budget=10 * SEEK).complete
    assert reader.count_keys(budget=1) == (1, False)
    assert [r.start for r in reader.get(b"b", limit=1)] == [20]


@pytest.mark.parametrize("window", WINDOWS)
def test_an_empty_store_has_no_rows(window: Hopping | None) -> None:
    """Nothing written, nothing read."""
    reader = Reader(table(window), MemoryStore())
    answers: list[Any] = [reader.get(b"a"), reader.latest().rows, reader.window(0).rows, reader.windows()]
    assert answers == [[], [], [], []]
    assert reader.progress() is None
    assert reader.count_keys() == (0, True)
