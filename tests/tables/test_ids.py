"""Ids that are remembered: looked up in any run, forgotten only where nobody can see it, restored as they were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.columns import Column
from tables.ids import ID_BYTES, Ids, Marks, ids_key, marks
from tables.records import NEVER
from tables.store import MemoryStore

WITHIN = 10
steps = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-15, 6), st.booleans()), max_size=40)


def marked(names: Sequence[str | None], times: Sequence[int]) -> Marks:
    """Return the ids of rows that all have one key."""
    null = np.array([name is None for name in names], bool)
    column = Column("text", np.array([name or "" for name in names], object), null)
    return marks([b"k"] * len(names), [column], np.array(times, np.int64))


def plainly(rows: Sequence[tuple[str, int]]) -> list[bool]:
    """Return which rows were counted before, one by one, with nothing ever forgotten."""
    counted: dict[str, list[int]] = {}
    running, found = NEVER, []
    for name, time in rows:
        running = max(running, time)
        before = time > running - WITHIN and any(abs(time - each) < WITHIN for each in counted.get(name, ()))
        found.append(before)
        if not before:
            counted.setdefault(name, []).append(time)
    return found


@settings(max_examples=300)
@given(steps)
def test_any_cut_and_any_restart_says_what_a_list_says(steps: list[tuple[str, int, bool]]) -> None:
    """However rows are cut into batches, runs are merged, ids forgotten and state restored: as one by one."""
    time, rows, cuts = 1_000, [], [0]
    for at, (name, move, cut) in enumerate(steps):
        time += move
        rows.append((name, time))
        cuts += [at + 1] if cut else []
    ids, store, found, watermark = Ids(WITHIN), MemoryStore(), [], NEVER
    for n, (lo, hi) in enumerate(zip(cuts, [*cuts[1:], len(rows)], strict=True), 1):
        batch = marked([name for name, _ in rows[lo:hi]], [time for _, time in rows[lo:hi]])
        running = np.maximum.accumulate(np.maximum(batch["time"], watermark)) if hi > lo else np.empty(0, np.int64)
        before = ids.before(batch, running)
        found += before.tolist()
        watermark = max([watermark, *running.tolist()])
        counted = batch[~before]
        ids.add(counted, watermark)
        if len(counted):
            store.write([ids.written(n, counted)])
        store.write(list(ids.expired(watermark, 5)))
        if n % 3 == 0:
            ids = Ids(WITHIN)
            ids.load(store, watermark)
    assert found == plainly(rows)


def test_rows_without_id_are_never_found() -> None:
    """A null id is no id: such rows count, and are not remembered."""
    ids, batch = Ids(WITHIN), marked([None, None, "a"], [1, 1, 1])
    assert batch["time"].tolist() == [NEVER, NEVER, 1]
    assert ids.before(batch, np.array([1, 1, 1])).tolist() == [False] * 3
    ids.add(batch, NEVER)
    assert ids.before(batch, np.array([1, 1, 1])).tolist() == [False, False, True]


def test_an_id_belongs_to_its_key() -> None:
    """The same id of another key is another id, however key and id are cut."""
    column = Column("text", np.array(["bc", "c"], object))
    one, other = marks([b"a", b"ab"], [column], np.array([1, 1]))
    assert (one["high"], one["low"]) != (other["high"], other["low"])


def test_a_write_is_one_record_and_expires_as_one() -> None:
    """All ids of a write are one record of 24 bytes each, which goes when the last of them is forgotten."""
    ids, batch = Ids(WITHIN), marked(["a", "b"], [100, 103])
    key, value = ids.written(7, batch)
    assert (key, len(value or b""), len(ids)) == (ids_key(7), 2 * ID_BYTES, 2)
    assert list(ids.expired(122, 9)) == []
    assert [record.value for record in ids.expired(123, 9)] == [None]
    assert len(ids) == 0
