"""Stores: one behaviour, in memory and on disk; damage, locks and a full disk by name."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.deferred import DeferredStore
from tables.records import PROGRESS, Record, cell_key, group_prefix
from tables.rocks import FILE_RECORDS, RocksStore, open_or_rebuild, translate
from tables.store import (
    CHUNK,
    MemoryStore,
    Store,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreLocked,
    after_prefix,
    cells_of,
)


@pytest.fixture(params=["memory", "rocks", "deferred"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Return an empty store of each kind."""
    opened: Store = MemoryStore() if request.param == "memory" else RocksStore(tmp_path / "store")
    opened = DeferredStore(opened, lambda: 0.0) if request.param == "deferred" else opened
    yield opened
    opened.close()


def cells(*keys: tuple[int, int, bytes]) -> list[Record]:
    """Return cell records whose value names them."""
    return [Record(cell_key(*key), b"%d/%d/" % key[:2] + key[2]) for key in keys]


def test_what_was_written_is_read(store: Store) -> None:
    """Values and offset are those of the last write; None deletes, and a later record of the same key wins."""
    assert store.offset() is None
    store.write([*cells((1, 1, b"a"), (1, 1, b"b")), Record(PROGRESS, b"one")], 7)
    store.write([Record(PROGRESS, b"two"), Record(cell_key(1, 1, b"a"), None)])
    store.write([Record(b"x", b"1"), Record(b"x", None), Record(b"y", None), Record(b"y", b"2")], None)
    assert store.offset() == 7
    wanted = [PROGRESS, cell_key(1, 1, b"a"), cell_key(1, 1, b"b"), b"x", b"y"]
    assert store.get_many(wanted) == [b"two", None, b"1/1/b", None, b"2"]
    assert store.get_many([]) == []


def test_a_scan_is_in_byte_order_and_keeps_to_its_prefix(store: Store) -> None:
    """Panes before the epoch sort first; `start` is the first key of the answer."""
    written = cells((3, 3, b"a"), (-2, -2, b"z"), (3, 4, b"a"), (3, 3, b"\xff"), (3, 3, b""))
    store.write([*written, Record(PROGRESS, b"p")], 1)
    keys = [key for key, _ in store.scan(b"c")]
    assert keys == sorted(record.key for record in written)
    assert keys[0] == cell_key(-2, -2, b"z")
    assert [k for k, _ in store.scan(group_prefix(3, 3), cell_key(3, 3, b"a"))] == [
        cell_key(3, 3, b"a"),
        cell_key(3, 3, b"\xff"),
    ]
    assert list(cells_of(store, 3, 3, b"a")) == [(b"\xff", b"3/3/\xff")]
    assert next(cells_of(store, 3, 3)) == (b"", b"3/3/")
    assert [k for k, _ in store.scan(b"")] == sorted([*keys, PROGRESS])


def test_a_long_scan_goes_on_where_a_chunk_ended(store: Store) -> None:
    """Chunks join without gap or repeat, whether or not the length is a multiple of the chunk."""
    keys = [(5, 5, b"%06d" % i) for i in range(2 * CHUNK)]
    store.write(cells(*keys), 1)
    assert [k for k, _ in cells_of(store, 5, 5)] == [k for *_, k in keys]
    store.write(cells((5, 5, b"last")), 2)
    assert len(list(store.scan(b"c"))) == 2 * CHUNK + 1


def test_a_scan_survives_writes_in_between(store: Store) -> None:
    """What is deleted or added while somebody reads disturbs nobody."""
    store.write(cells(*[(5, 5, b"%06d" % i) for i in range(CHUNK + 10)]), 1)
    scan = store.scan(b"c")
    next(scan)
    store.write([Record(cell_key(5, 5, b"%06d" % (CHUNK + 9)), None)], 2)
    assert len(list(scan)) == CHUNK + 8


def test_groups_are_those_that_have_cells(store: Store) -> None:
    """A group comes with its first cell and goes with its last."""
    store.write(cells((1, 1, b"a"), (1, 1, b"b"), (1, 2, b"a"), (-1, -1, b"")), 1)
    store.write([Record(cell_key(1, 1, b"a"), None), Record(cell_key(1, 2, b"a"), None), Record(b"a\0", b"")], 2)
    assert store.groups() == {(1, 1), (-1, -1)}
    store.write(cells((1, 2, b"a")), 3)
    assert store.groups() == {(1, 1), (-1, -1), (1, 2)}


def test_a_store_that_is_put_aside_begins_anew(store: Store) -> None:
    """There is no cell, no group and no offset then, and the store can be written."""
    store.begin(3)
    store.write(cells((1, 1, b"a")), 5)
    assert store.begun() == 3
    store.put_aside()
    assert (list(store.scan(b"")), store.groups(), store.offset(), store.begun()) == ([], set(), None, 0)
    store.write(cells((2, 2, b"b")), 6)
    assert (store.groups(), store.offset(), store.estimated_records() > 0) == ({(2, 2)}, 6, True)


small = st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.binary(max_size=2))


@given(st.lists(st.tuples(small, st.booleans()), max_size=30))
def test_memory_holds_what_the_last_record_of_each_key_says(steps: list[tuple[tuple[int, int, bytes], bool]]) -> None:
    """The store equals a dictionary to which the records were applied one by one."""
    store, expected = MemoryStore(), {}
    for number, (key, alive) in enumerate(steps):
        value = b"%d" % number if alive else None
        store.write([Record(cell_key(*key), value)], number)
        expected[cell_key(*key)] = value
    left = {key: value for key, value in expected.items() if value is not None}
    assert dict(store.scan(b"c")) == left
    assert store.groups() == {key[:2] for key, alive in dict(steps).items() if alive}


def test_a_closed_store_is_found_again(tmp_path: Path) -> None:
    """Cells, groups, offset and the time of the last write outlive the process."""
    first = RocksStore(tmp_path, clock=lambda: 1000.0)
    first.write(cells((1, 1, b"a"), (9, 9, b"a"), (9, 10, b"a")), 42)
    first.close()
    first.close()
    again = RocksStore(tmp_path, clock=lambda: 1060.0)
    assert (again.offset(), again.age()) == (42, 60.0)
    assert again.groups() == {(1, 1), (9, 9), (9, 10)}
    again.destroy()
    assert not tmp_path.exists()


def test_a_reader_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A scan that nobody ended lets the store be closed and opened again; it then says that it was closed."""
    store = RocksStore(tmp_path)
    store.write(cells(*[(1, 1, b"%06d" % i) for i in range(CHUNK + 1)]), 1)
    scan = store.scan(b"c")
    next(scan)
    store.close()
    again = RocksStore(tmp_path)
    with pytest.raises(StoreClosed, match="closed"):
        list(scan)
    again.close()


def test_an_open_store_is_locked(tmp_path: Path) -> None:
    """Opening it twice names the directory and the fix."""
    store = RocksStore(tmp_path)
    with pytest.raises(StoreLocked, match="data directory of its own") as caught:
        RocksStore(tmp_path)
    assert caught.value.directory == tmp_path
    store.close()


def truncate_manifest(directory: Path) -> None:
    """Cut the manifest in half."""
    (manifest,) = directory.glob("MANIFEST-*")
    manifest.write_bytes(manifest.read_bytes()[: manifest.stat().st_size // 2])


def spoil_current(directory: Path) -> None:
    """Let CURRENT name nothing."""
    (directory / "CURRENT").write_text("junk")


def flip_table(directory: Path) -> None:
    """Flip bytes in the middle of each table file."""
    for path in directory.glob("*.sst"):
        data = bytearray(path.read_bytes())
        for place in range(20, len(data) // 2, 7):
            data[place] ^= 0xFF
        path.write_bytes(data)


@pytest.mark.parametrize("damage", [truncate_manifest, spoil_current, flip_table])
def test_damage_is_noticed_and_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Damaged files raise `StoreCorrupt` when opened or read; the store can then be destroyed and made anew."""
    store = RocksStore(tmp_path)
    store.write(cells(*[(1, 1, b"%06d" % i) for i in range(500)]), 1)
    store.close()
    RocksStore(tmp_path).close()
    damage(tmp_path)
    with pytest.raises(StoreCorrupt, match="rebuilt from the changelog"):
        list(RocksStore(tmp_path).scan(b"c"))


@pytest.mark.parametrize("damage", [truncate_manifest, spoil_current, flip_table])
def test_a_damaged_store_is_put_aside(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """The damaged files are kept beside a new, empty store; an intact store is opened as it is."""
    directory = tmp_path / "0"
    store = RocksStore(directory)
    store.write(cells(*[(1, 1, b"%06d" % i) for i in range(500)]), 1)
    store.close()
    again, nothing = open_or_rebuild(directory)
    assert (nothing, again.offset()) == (None, 1)
    again.close()
    damage(directory)
    rebuilt, wrong = open_or_rebuild(directory)
    assert isinstance(wrong, StoreCorrupt)
    assert (rebuilt.offset(), rebuilt.groups()) == (None, set())
    assert list((tmp_path / "0.aside").iterdir())
    rebuilt.close()


def test_one_copy_is_kept_of_what_was_put_aside(tmp_path: Path) -> None:
    """The files can be looked at later: the last store that held something, whole, up to its last write."""
    store = RocksStore(tmp_path / "0")
    for offset in (1, 2):
        store.write(cells((1, 1, b"%d" % offset)), offset)
        assert store.put_aside() == tmp_path / "0.aside"
        assert store.put_aside() is None
    kept = RocksStore(tmp_path / "0.aside")
    assert (kept.offset(), dict(kept.scan(b"c"))) == (2, dict(cells((1, 1, b"2"))))
    kept.close()
    store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "0.aside"]


def test_where_the_changelog_began_is_not_lost_with_a_killed_process(tmp_path: Path) -> None:
    """A file that was taken over is kept, so what was noted before it must be, too."""
    store = RocksStore(tmp_path / "0")
    store.begin(3)
    store.fill(cells(*[(1, 1, b"%06d" % i) for i in range(FILE_RECORDS)]), 9)
    shutil.copytree(tmp_path / "0", tmp_path / "left")
    again = RocksStore(tmp_path / "left")
    assert (again.offset(), again.begun()) == (9, 3)
    again.close()
    store.close()


def test_groups_are_read_while_another_thread_writes(tmp_path: Path) -> None:
    """Views ask for groups in a thread of their own; a group that lost its last cell and got a new one stays."""
    store = RocksStore(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(lambda: [store.groups() for _ in range(300)])
        for n in range(300):
            store.write([*cells((n, n, b"a")), Record(cell_key(n - 1, n - 1, b"a"), None)], n)
            store.write(cells((n - 1, n - 1, b"b")), n)
        assert all(groups <= {(n, n) for n in range(-1, 300)} for groups in seen.result())
    assert store.groups() == {(n, n) for n in range(-1, 300)}
    store.close()


FULL = """
    import random, resource, sys, time
    from pathlib import Path
    from tables.records import Record, cell_key
    from tables.rocks import RocksStore
    from tables.store import StoreFull
    store = RocksStore(Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        for n in range(300):
            store.write([Record(cell_key(1, 1, b"%d" % n), random.randbytes(100_000))], n)
            time.sleep(0.005)
    except StoreFull as error:
        print(error)
"""


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """Where there is no space to flush to, a later write raises `StoreFull` with the directory and what to do."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert f"store {tmp_path}: there is no space left" in done.stdout


KILLED = """
    import os, random, sys
    from pathlib import Path
    from tables.records import Record, cell_key
    from tables.rocks import RocksStore
    store = RocksStore(Path(sys.argv[1]))
    for n in range(1, 151):
        store.write([Record(cell_key(n, n, b"a"), random.randbytes(200_000)), Record(b"p", b"%d" % n)], n)
    os._exit(9)
"""


def test_a_killed_process_leaves_a_beginning_of_its_writes(tmp_path: Path) -> None:
    """Without a log the last writes may be gone, but whole, in order, and with their offset."""
    script = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    assert subprocess.run(script, check=False, cwd=Path(__file__).parents[2]).returncode == 9
    store = RocksStore(tmp_path)
    offset = store.offset()
    assert offset is not None
    assert 0 < offset <= 150
    assert store.get_many([PROGRESS]) == [b"%d" % offset]
    assert store.groups() == {(n, n) for n in range(1, offset + 1)}
    store.close()


def test_what_is_no_damage_is_not_called_damage(tmp_path: Path) -> None:
    """A directory that cannot be made is named; an error that is named already stays as it is."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        RocksStore(tmp_path / "file" / "store")
    known = StoreFull(tmp_path, "full", "free some")
    assert translate(tmp_path, known) is known
    assert isinstance(translate(tmp_path, OSError("No space left on device")), StoreFull)


@given(st.binary(max_size=4), st.binary(max_size=6))
def test_after_prefix_separates(prefix: bytes, key: bytes) -> None:
    """Keys with the prefix lie between it and what follows it; all others do not."""
    end = after_prefix(prefix)
    assert (prefix <= key and (not end or key < end)) == key.startswith(prefix)


def test_a_store_is_filled_as_it_is_written(store: Store) -> None:
    """Many sorted records at once replace, delete and add like a write, with the offset after them."""
    store.write([*cells((1, 1, b"old"), (2, 2, b"gone"), (1, 1, b"k000001")), Record(PROGRESS, b"one")], 3)
    many = cells(*((1, 1, b"k%06d" % n) for n in range(FILE_RECORDS)), (3, 3, b"new"))
    gone = [Record(cell_key(2, 2, b"gone"), None), Record(cell_key(9, 9, b"never"), None)]
    store.fill(sorted([*many, *gone, Record(PROGRESS, b"two")]), 9)
    assert store.offset() == 9
    assert store.groups() == {(1, 1), (3, 3)}
    found = dict(store.scan(b""))
    assert found == {record.key: record.value for record in [*cells((1, 1, b"old")), *many, Record(PROGRESS, b"two")]}
    store.write([Record(cell_key(1, 1, b"k000001"), b"later")], 10)
    assert store.get_many([cell_key(1, 1, b"k000001")]) == [b"later"]
    store.fill([Record(record.key, None) for record in many], 12)
    assert [key for key, _ in store.scan(b"c")] == [cell_key(1, 1, b"old")]


def test_nothing_that_fill_made_is_left_lying(tmp_path: Path) -> None:
    """Files that were made and not taken over, as after a kill, are deleted when the store is opened."""
    store = RocksStore(tmp_path / "store")
    store.fill(cells(*((1, 1, b"k%06d" % n) for n in range(FILE_RECORDS))), 1)
    store.close()
    left = tmp_path / "store.filling"
    assert not list(left.iterdir())
    (left / "7.sst").write_bytes(b"half")
    RocksStore(tmp_path / "store").close()
    assert not left.exists()


KILLED_WHILE_FILLING = """
import os, signal, sys
from pathlib import Path
from rocksdict import Rdict
from tables.records import Record
from tables.rocks import FILE_RECORDS, RocksStore
store, step = RocksStore(Path(sys.argv[1])), sys.argv[2]
store.write([Record(b"a", b"small"), Record(b"w1", b"1")], 1)
store.fill([Record(b"k%06d" % n, b"1") for n in range(FILE_RECORDS)], 2)
store.write([Record(b"a", b"after"), Record(b"w2", b"1")], 3)
class Dying:
    def __init__(self, database):
        self.database = database
    def __getattr__(self, name):
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self.database, name)
    def ingest_external_file(self, *args):
        if step == "ingest_external_file":
            os.kill(os.getpid(), signal.SIGKILL)
        self.database.ingest_external_file(*args)
        if step == "taken over":
            os.kill(os.getpid(), signal.SIGKILL)
store._db = Dying(store._db)
store.fill([Record(b"k%06d" % n, b"2") for n in range(FILE_RECORDS)], 4)
store.write([Record(b"a", b"last")], 5)
if step == "written":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("step", "offsets"),
    [("flush", {2}), ("ingest_external_file", {3}), ("taken over", {4}), ("written", {4, 5})],
)
def test_killed_while_it_is_filled_it_has_what_its_offset_says(tmp_path: Path, step: str, offsets: set[int]) -> None:
    """Killed before, between and after the steps of a fill: everything up to the offset is there, and nothing else."""
    command = [sys.executable, "-c", KILLED_WHILE_FILLING, str(tmp_path / "store"), step]
    assert subprocess.run(command, check=False, cwd=Path(__file__).parents[2]).returncode == -9
    with closing(RocksStore(tmp_path / "store")) as store:
        offset = store.offset()
        assert offset in offsets
        value = b"1" if offset < 4 else b"2"
        expected = {b"k%06d" % n: value for n in range(FILE_RECORDS)}
        expected |= {b"a": {2: b"small", 3: b"after", 4: b"after", 5: b"last"}[offset], b"w1": b"1"}
        expected |= {b"w2": b"1"} if offset > 2 else {}
        assert dict(store.scan(b"")) == expected
