"""Restoring a store up to its owner's claim, from a changelog in memory."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from tables.chunk import Chunk
from tables.records import CLAIM, PROGRESS, Progress, Record, cell_key
from tables.recovery import SLICE_BYTES, OffsetsGone, RestoreProgress, RestoreResult, restore
from tables.store import AHEAD, MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

Entry = tuple[int, bytes | None, bytes | None]


class Log:
    """A changelog: (offset, key, value) of what compaction left, its first offset and its end."""

    def __init__(self, entries: list[Entry], end: int, first: int = 0, step: int = 3) -> None:
        """Keep the entries; `step` of them make a chunk."""
        self.entries, self.end, self.first, self.step = entries, end, first, step
        self.starts: list[int | None] = []

    async def read(self, start: int | None, until: int) -> AsyncIterator[Chunk]:
        """Yield chunks as a reader does: the last ends at `until`, though no record may lie there."""
        self.starts.append(start)
        position = self.first if start is None else start
        if not self.first <= position <= self.end:
            raise OffsetsGone(f"{position} is not in [{self.first}, {self.end}]")
        rest = [entry for entry in self.entries if position <= entry[0] < until]
        for index in range(0, len(rest), self.step):
            part = rest[index : index + self.step]
            last = index + self.step >= len(rest)
            yield Chunk.of([e[1] for e in part], [e[2] for e in part], until if last else part[-1][0] + 1, part[0][0])
        if not rest and position < until:
            yield Chunk.of([], [], until)


def log_of(*items: tuple[bytes | None, bytes | None], claim: bytes = b"mine") -> Log:
    """Return a log of these items and then the claim."""
    entries: list[Entry] = [(offset, key, value) for offset, (key, value) in enumerate(items)]
    return Log([*entries, (len(items), CLAIM, claim)], len(items) + 1)


def progress(producer: int = 1, n: int = 1) -> bytes:
    """Return the progress of a write."""
    return Progress(n, producer=producer).encode()


def run(store: MemoryStore, log: Log, **options: float) -> RestoreResult:
    """Restore up to the last offset of the log, which is the claim."""
    return asyncio.run(restore(store, log.read, log.end - 1, **options))


def content(store: MemoryStore) -> dict[bytes, bytes]:
    """Return all that a store holds."""
    return dict(store.scan(b""))


def test_an_empty_store_gets_the_last_value_of_every_key() -> None:
    """Later records win, tombstones delete, the claim is kept, foreign records without key are passed over."""
    store = MemoryStore()
    result = run(store, log_of((b"a", b"1"), (b"b", b"2"), (None, b"x"), (b"a", b"3"), (b"b", None), (b"d", b"4")))
    assert content(store) == {b"a": b"3", b"d": b"4", CLAIM: b"mine"}
    assert store.offset() == 7
    assert (result.records, result.start, result.rebuilt, result.previous) == (7, None, "", None)


def test_a_store_goes_on_from_its_offset() -> None:
    """What the store has is not read again."""
    store = MemoryStore()
    store.write([Record(b"a", b"1"), Record(PROGRESS, progress())], 2)
    log = log_of((b"a", b"1"), (PROGRESS, progress()), (b"b", b"2"))
    assert run(store, log).records == 2
    assert log.starts == [1]
    assert content(store) == {b"a": b"1", b"b": b"2", PROGRESS: progress(), CLAIM: b"mine"}


def test_a_restore_that_was_killed_goes_on_and_knows_where_the_log_began() -> None:
    """What the log had lost when a store was begun, the store never gets: a later start must know."""
    items: list[tuple[bytes | None, bytes | None]] = [(cell_key(1, 1, b"%d" % n), b"x") for n in range(3)]
    log, store = log_of((b"a", b"1"), *items, (PROGRESS, progress())), MemoryStore()
    log.first, log.entries, log.step = 1, log.entries[1:], 1

    async def killed(start: int | None, until: int) -> AsyncIterator[Chunk]:
        async for chunk in log.read(start, until):
            if chunk.hi > 3:
                raise KeyboardInterrupt
            yield chunk

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tables.recovery.SLICE", 1)
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(restore(store, killed, log.end - 1, earliest=lambda: log.first))
    assert (store.offset(), store.begun()) == (3, 1)
    log.first = 2
    result = asyncio.run(restore(store, log.read, log.end - 1, earliest=lambda: log.first))
    assert (result.start, store.begun(), len(content(store))) == (3, 1, 5)


def test_a_tail_that_compaction_emptied_does_not_hang() -> None:
    """The end is a position: records need not lie there, not even the claim, if a newer one replaced it."""
    store = MemoryStore()
    run(store, Log([(3, b"a", b"1")], end=100))
    assert (content(store), store.offset()) == ({b"a": b"1"}, 100)
    store = MemoryStore()
    assert run(store, Log([], end=5)).records == 0
    assert store.offset() == 5


def test_what_is_read_does_not_pile_up() -> None:
    """However long the log, and however large its values, the store gets them before there are more than a bound."""
    value, longest = bytes(SLICE_BYTES // 8), 0
    log = log_of(*[(b"%d" % n, value) for n in range(40)], (PROGRESS, progress()))
    log.step = 1

    class Small(MemoryStore):
        def fill(self, records: Sequence[Record], offset: int) -> None:
            nonlocal longest
            longest = max(longest, sum(len(record.value or b"") for record in records))
            self.write([record for record in records if record.value != value], offset)

    run(Small(), log)
    assert 0 < longest <= SLICE_BYTES + len(value)


def test_the_claim_before_ours_is_told_from_the_log_or_from_the_store() -> None:
    """The new owner must know whose producer id wrote last."""
    done = (PROGRESS, progress(7))
    result = run(MemoryStore(), log_of((CLAIM, b"one"), done, (CLAIM, b"two")))
    assert (result.previous, result.producer) == (b"two", 7)
    store = MemoryStore()
    store.write([Record(CLAIM, b"kept"), Record(*done)], 2)
    result = run(store, log_of((CLAIM, b"kept"), done, (b"a", b"1")))
    assert (result.previous, result.producer) == (b"kept", 7)
    assert content(store)[CLAIM] == b"mine"


def test_where_nobody_has_written_yet_the_first_claim_is_told() -> None:
    """Those who claimed and wrote nothing may not have waited for the first owner; a store of theirs hides it not."""
    store = MemoryStore()
    log = log_of((CLAIM, b"one"), (CLAIM, b"two"))
    result = run(store, log)
    assert (result.previous, result.producer) == (b"one", -1)
    log = log_of((CLAIM, b"one"), (CLAIM, b"two"), (CLAIM, b"mine"), claim=b"mine too")
    assert (run(store, log).previous, content(store)) == (b"one", {CLAIM: b"mine too"})


@pytest.mark.parametrize("step", [1, 2, 100])
def test_the_cut_into_chunks_does_not_matter(step: int) -> None:
    """Store and previous claim are the same however the log was cut."""
    log = log_of((CLAIM, b"one"), (b"a", b"1"), (b"a", None), (b"b", b"2"), (PROGRESS, progress()))
    log.step = step
    store = MemoryStore()
    assert run(store, log).previous == b"one"
    assert content(store) == {b"b": b"2", PROGRESS: progress(), CLAIM: b"mine"}


def unfinished(ahead: int) -> MemoryStore:
    """Return a store whose newest cells were written before this changelog offset, which is not its own yet."""
    store = MemoryStore()
    store.write([Record(AHEAD, b"%d" % ahead)])
    return store


class OldStore(MemoryStore):
    """A store that was last written an hour ago."""

    def age(self) -> float:
        """Return an hour."""
        return 3600.0


@pytest.mark.parametrize(
    ("store", "offset", "first", "why"),
    [
        (OldStore(), 1, 0, "missed deletions"),
        (MemoryStore(), 50, 0, "ahead of the changelog"),
        (unfinished(50), 1, 0, "ahead of the changelog"),
        (unfinished(1), None, 0, "first write was not finished"),
        (MemoryStore(), 1, 2, "no longer reaches back"),
    ],
    ids=["too old", "ahead", "newest cells ahead", "begun", "behind the log"],
)
def test_a_store_that_cannot_be_trusted_is_rebuilt_and_says_why(
    store: MemoryStore, offset: int | None, first: int, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of such a store survives; the log names the table partition and the reason."""
    store.write([Record(b"dead", b"1"), Record(PROGRESS, progress())], offset)
    log = log_of((b"x", b"0"), (b"y", b"0"), (b"a", b"1"))
    log.first = first
    log.entries = log.entries[first:]
    with caplog.at_level(logging.WARNING):
        result = asyncio.run(restore(store, log.read, 3, name="traffic-0", max_age=60))
    assert why in result.rebuilt
    assert "traffic-0" in caplog.text
    assert why in caplog.text
    assert b"dead" not in content(store)
    assert content(store)[b"a"] == b"1"


def test_a_store_whose_newest_cells_are_in_the_log_is_kept() -> None:
    """What was on its way when the process was killed is written over by the log from the store's offset on."""
    store = unfinished(3)
    store.write([Record(b"x", b"newer"), Record(b"y", b"1")], 1)
    store.write([Record(PROGRESS, progress())], 1)
    log = log_of((PROGRESS, progress()), (b"x", b"2"), (b"y", b"2"))
    assert run(store, log).rebuilt == ""
    assert (content(store)[b"x"], content(store)[b"y"]) == (b"2", b"2")


def test_a_young_store_is_kept() -> None:
    """The age counts only beyond its limit."""
    store = OldStore()
    store.write([Record(PROGRESS, progress())], 1)
    assert run(store, log_of((PROGRESS, progress())), max_age=7200.0).rebuilt == ""


def test_progress_counts_records_and_bytes_and_guesses_the_rest() -> None:
    """After the last chunk nothing is left."""
    told: list[RestoreProgress] = []
    log = log_of((b"a", b"11"), (b"b", b"22"), (b"c", None), (b"d", b"44"))
    asyncio.run(restore(MemoryStore(), log.read, 4, progress=told.append))
    assert [(step.records, step.size) for step in told] == [(3, 7), (5, 15)]
    assert told[-1].seconds_left == 0.0


def test_a_log_that_keeps_losing_offsets_is_an_error() -> None:
    """If even the log's beginning is gone when it is read, the caller must know."""

    async def gone(start: int | None, until: int) -> AsyncIterator[Chunk]:
        raise OffsetsGone(f"{start} of {until}")
        yield Chunk.of([], [], 0)

    with pytest.raises(OffsetsGone):
        asyncio.run(restore(MemoryStore(), gone, 4))


def progressed(value: bytes, offset: int) -> MemoryStore:
    """Return a store whose last write ended with this progress."""
    store = MemoryStore()
    store.write([Record(b"a", b"stored"), Record(PROGRESS, value), Record(CLAIM, b"one")], offset)
    return store


def test_a_store_goes_on_where_the_log_has_its_last_record() -> None:
    """The record before the store's offset is read again, and is the store's own: then the rest is enough."""
    log = log_of((CLAIM, b"one"), (b"a", b"other"), (PROGRESS, progress(n=1)), (b"b", b"2"))
    for store, start in ((progressed(progress(n=1), 3), 2), (progressed(progress(n=9), 1), 0)):
        log.starts.clear()
        result = run(store, log)
        assert (result.rebuilt, log.starts, content(store)[b"b"]) == ("", [start], b"2")
    assert content(progressed(progress(n=1), 3))[b"a"] == b"stored"


@pytest.mark.parametrize(
    "other",
    [
        log_of((CLAIM, b"one"), (b"a", b"new"), (PROGRESS, progress(n=2)), (b"b", b"2")),
        log_of((CLAIM, b"one"), (b"a", b"new"), (b"x", progress(n=1)), (b"b", b"2")),
        Log([(0, CLAIM, b"one"), (1, b"a", b"new"), (4, CLAIM, b"mine")], 5),
    ],
    ids=["another record", "another key", "nothing there"],
)
def test_a_store_of_another_log_is_not_used(other: Log) -> None:
    """Whatever its length, a log that does not have the store's last record in its place gives a new store."""
    store = progressed(progress(n=1), 3)
    result = run(store, other)
    assert "does not have its last record at offset 2" in result.rebuilt
    assert content(store)[b"a"] == b"new"
