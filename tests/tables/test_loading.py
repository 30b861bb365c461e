"""Cells straight from a changelog, held against the cells that its store gives."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.aggregates.collect_set import CollectSet
from tables.aggregates.count import Count
from tables.aggregates.quantile import Quantile
from tables.aggregates.sum import Sum
from tables.cells import Cells
from tables.chunk import Chunk
from tables.columns import Column
from tables.loading import Loader
from tables.query import Reader
from tables.records import ALERT, CELL, IDS, NEVER, PROGRESS, Progress, Record, cell_key
from tables.shapes import Shape, Shapes, former, kept
from tables.spec import Table
from tables.store import MemoryStore
from tables.windows.hopping import Hopping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tables.store import Store

TABLE = Table(
    name="t", from_="s", key=("k",), window=Hopping(2000, every=1000, grace=0), keep=3_600_000,
    aggregates={"n": Count(), "total": Sum("v"), "p": Quantile(0.5, "v"), "seen": CollectSet("v", limit=5)},
)  # fmt: skip
NAMES = [b"", b"a", b"bb", b"ccc", "ü".encode()]


class Writer:
    """Folds events and keeps the changelog that they make."""

    def __init__(self, table: Table = TABLE, shapes: Shapes | None = None) -> None:
        """Begin with an empty log."""
        self.cells, self.n, self.log = Cells(table), 0, list[Record]()
        self.store = MemoryStore()
        self.cells.adopt(shapes or Shapes())

    def write(self, events: Sequence[tuple[bytes, int, int, float]], judged: int = NEVER) -> None:
        """Fold (key, pane, first window, value) and write; windows before `judged` were judged at the write before."""
        codes = self.cells.keys.learn([event[0] for event in events])
        values = Column("float", np.array([event[3] for event in events], float))
        inputs = {name: (None, values if each.of else None) for name, each in self.cells.table.aggregates.items()}
        pane, first = (np.array([event[at] for event in events], np.int64) for at in (1, 2))
        times = np.arange(len(events), dtype=np.int64)
        self.cells.fold(codes, pane, first, inputs, times, times + 100 * self.n)
        self.n += 1
        progress = Progress(self.n, before=(judged, ""))
        self.append([*self.cells.flush(self.n), Record(PROGRESS, progress.encode())])
        self.cells.evict(judged)

    def append(self, records: Sequence[Record]) -> None:
        """Write records as they are."""
        self.log += records
        self.store.write(records, len(self.log))


def loaded(log: Sequence[Record], cuts: Sequence[int] = (), **options: int) -> Loader:
    """Return a loader that has read the log, cut into chunks."""
    loader = Loader(Cells(TABLE), **options)
    edges = sorted({0, len(log), *(min(cut, len(log)) for cut in cuts)})
    for low, high in pairwise(edges):
        part = log[low:high]
        loader.apply(Chunk.of([record.key for record in part], [record.value for record in part], high, low))
    return loader


def rows(cells: Cells) -> dict[tuple[int, bytes], dict[str, Any]]:
    """Return (window, key) -> results of everything in memory."""
    found = {}
    for k in cells.occupied(-100, 100):
        codes = cells.window(k)
        columns = {name: column.tolist() for name, column in cells.results(k, codes).items()}
        for at, key in enumerate(cells.keys.keys(codes)):
            found[k, key] = {name: values[at] for name, values in columns.items()}
    return found


def from_store(store: Store, judged: int = NEVER) -> Cells:
    """Return the cells that a store gives."""
    cells = Cells(TABLE)
    cells.load(store, judged)
    return cells


def assert_alike(loader: Loader, store: Store) -> None:
    """See that memory and what is kept are what the store says."""
    progress = loader.kept.progress()
    assert progress is not None
    before = progress.before[0]
    other = from_store(store, before)
    assert rows(loader.cells) == rows(other)
    assert len(loader.cells.closed) == len(other.closed) or not store.groups()
    for name, group in loader.cells.map.groups.items():
        codes = {loader.cells.keys.keys(group.codes)[at]: row for at, row in enumerate(group.rows.tolist())}
        theirs = other.map.groups[name]
        for at, key in enumerate(other.keys.keys(theirs.codes)):
            assert loader.cells.map.written[codes[key]] == other.map.written[theirs.rows[at]]
    assert dict(loader.kept.scan(b"")) == {k: v for k, v in store.scan(b"") if not k.startswith(CELL)}
    assert loader.kept.groups() >= store.groups()


event = st.tuples(st.sampled_from(NAMES), st.integers(0, 6), st.integers(0, 1), st.floats(0.5, 8)).map(
    lambda each: (each[0], each[1], each[1] - each[2], each[3])
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(event, min_size=1, max_size=8)),
        st.tuples(st.just("alert"), st.sampled_from([None, b"x", b"y"])),
        st.tuples(st.just("close"), st.integers(1, 2)),
    ),
    min_size=1,
    max_size=8,
)


def played(moves: Sequence[tuple[str, Any]]) -> Writer:
    """Return what these steps write; rows of closed windows are late and left out."""
    writer, judged = Writer(), 0
    for kind, what in moves:
        if kind == "write":
            events = [each for each in what if writer.cells.panes.last_of(each[1]) >= judged]
            writer.write([(k, p, max(f, judged), v) for k, p, f, v in events], judged)
        elif kind == "alert":
            writer.append([Record(ALERT + b"r\0k", what)])
        else:
            judged += what
            writer.write([], judged)
    writer.write([], judged)
    return writer


@given(steps, st.lists(st.integers(0, 60), max_size=4), st.booleans())
@settings(deadline=None)
def test_cells_from_the_log_are_those_from_the_store(
    moves: list[tuple[str, Any]], cuts: list[int], known: bool  # noqa: FBT001 - drawn
) -> None:  # fmt: skip
    """Rule: however the log is cut, and whether or not its last progress is known before, memory is the same."""
    writer = played(moves)
    progress = Progress.decode(writer.store.get_many([PROGRESS])[0] or b"")
    options = {"judged_before": progress.before[0]} if known else {}
    assert_alike(loaded(writer.log, cuts, **options), writer.store)


@given(steps, st.lists(st.integers(0, 60), max_size=3))
@settings(deadline=None)
def test_a_compacted_log_gives_the_same_cells(moves: list[tuple[str, Any]], cuts: list[int]) -> None:
    """Rule: the last record of each key is enough, in the order of the log."""
    writer = played(moves)
    last = {record.key: at for at, record in enumerate(writer.log)}
    left = [writer.log[at] for at in sorted(last.values())]
    progress = Progress.decode(writer.store.get_many([PROGRESS])[0] or b"")
    assert_alike(loaded(left, cuts, judged_before=progress.before[0]), writer.store)


@given(steps)
@settings(deadline=None)
def test_loaded_cells_go_on_like_those_that_never_stopped(moves: list[tuple[str, Any]]) -> None:
    """Rule: what is folded next makes the same records, byte by byte, key by key."""
    writer = played(moves)
    loader = loaded(writer.log)
    progress = loader.kept.progress()
    assert progress is not None
    pane, found = max(0, progress.before[0]) + 3, []
    for cells in (writer.cells, loader.cells):
        more = Writer()
        more.cells, more.n = cells, writer.n
        more.write([(name, pane, pane - 1, 2.0) for name in NAMES])
        found.append(sorted(more.log))
    assert found[0] == found[1]


def test_a_tombstone_takes_a_single_cell_away() -> None:
    """Rule: also of a group that is open; a later record of the key brings it back."""
    writer = Writer()
    writer.write([(b"a", 1, 1, 1.0), (b"bb", 1, 1, 2.0)])
    writer.append([Record(cell_key(1, 1, b"a"), None)])
    loader = loaded(writer.log, [3, 4])
    assert [key for _, key in rows(loader.cells)] == [b"bb"]
    assert len(loader.cells) == 1
    back = loaded([*writer.log, writer.log[0]], [4])
    assert {key for _, key in rows(back.cells)} == {b"a", b"bb"}


def test_cells_of_a_former_shape_wait_for_the_end() -> None:
    """Rule: cells that an older declaration wrote are read when all shapes are known; newer ones of the key win."""
    old = Shape({}, {"n": kept(Count(), {})})
    new = Shape({}, {name: kept(each, {}) for name, each in TABLE.aggregates.items()})
    before = Writer(Table(name="t", from_="s", key=("k",), window=TABLE.window, keep=0, aggregates={"n": Count()}))
    before.write([(b"a", 1, 1, 1.0), (b"bb", 1, 1, 1.0), (b"bb", 1, 1, 1.0)])
    shapes = Shapes(1, new, {0: former(old, new)})
    after = Writer(shapes=shapes)
    after.write([(b"a", 1, 1, 5.0)])
    loader = loaded([*before.log, *after.log], [1], shape=1)
    assert [key for _, key in rows(loader.cells)] == [b"a"]
    loader.cells.adopt(shapes)
    loader.finish()
    found = rows(loader.cells)
    assert {key: row["n"] for (_, key), row in found.items()} == {b"a": 1, b"bb": 2}


def test_a_cell_of_another_table_is_refused() -> None:
    """Rule: a value that is no cell is an error, never a row."""
    with pytest.raises(ValueError, match="too short"):
        loaded([Record(cell_key(1, 1, b"a"), b"123")])
    with pytest.raises(ValueError, match="too short for this table"):
        loaded([Record(cell_key(1, 1, b"a"), bytes(16))])


def test_a_loader_goes_on_from_a_store() -> None:
    """Seeded from a store at any write, it has what one that read the whole log has, at the end."""
    writer = Writer()
    for pane in range(8):
        writer.write([(name, pane, 0, float(pane)) for name in NAMES], judged=max(pane - 3, 0))
        writer.append([Record(kind + b"%d" % pane, b"x") for kind in (ALERT, IDS, b"a kind of later")])
        if pane == 4:
            middle = MemoryStore()
            middle.write(writer.log, len(writer.log))
    cut = middle.offset() or 0
    progress = Reader(TABLE, middle).progress()
    assert progress is not None
    seeded = Loader(Cells(TABLE), 0, progress.before[0])
    seeded.seed(middle)
    assert seeded.position == cut
    rest = writer.log[cut:]
    seeded.apply(Chunk.of([each.key for each in rest], [each.value for each in rest], len(writer.log), cut))
    whole = loaded(writer.log)
    assert rows(seeded.cells) == rows(whole.cells)
    assert seeded.kept.groups() == whole.kept.groups()
    assert dict(seeded.kept.scan(b"")) == dict(whole.kept.scan(b""))


def test_a_loader_that_reads_for_long_forgets_what_has_expired() -> None:
    """Groups of which the store has no cells any more go, and keys without an open cell; open cells stay."""
    writer = Writer()
    for pane in range(30):
        writer.write([(b"key-%d" % pane, pane, pane, 1.0)], judged=pane)
    loader = loaded(writer.log, range(0, len(writer.log), 2))
    before, keys = rows(loader.cells), len(loader.cells.keys)
    left = {(pane, pane) for pane in range(20, 30)}
    loader.tidy(left)
    assert rows(loader.cells) == before
    assert loader.kept.groups() == left
    assert len(loader.cells.keys) < keys
    assert len(loader.cells.closed) == len(left) - loader.cells.open_groups
