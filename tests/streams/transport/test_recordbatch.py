"""Record batches by arrays, held against aiokafka's own parser."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams import fast
from streams.transport import batches, recordbatch, unpacking
from streams.transport.errors import ReadFailed
from tables.records import PROGRESS, Record, alert_key, cell_key

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 1 << 60
prefix = cell_key(3, 1, b"")
keys = st.one_of(st.binary(max_size=3), st.binary(min_size=60, max_size=70), st.just(prefix), st.just(prefix + b"c"))
values = st.one_of(st.none(), st.binary(max_size=3), st.binary(min_size=60, max_size=300), st.just(prefix * 2))
cells = st.lists(
    st.builds(
        lambda pane, first, rest: [Record(cell_key(pane, first, key), value) for key, value in rest],
        st.integers(-2, 3), st.integers(0, 1), st.lists(st.tuples(keys, values), min_size=1, max_size=12),
    ),
    max_size=4,
).map(lambda groups: [record for group in groups for record in group])  # fmt: skip
others = st.lists(st.builds(Record, st.sampled_from([PROGRESS, alert_key("r", b"k"), b"", b"c"]), values), max_size=3)


@pytest.fixture(scope="module", autouse=True, params=["NumPy", "compiled"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Read batches by NumPy, and by the compiled loop."""
    if request.param == "compiled":
        pytest.importorskip("numba")
    with pytest.MonkeyPatch.context() as patch:
        kernels = fast.load() if request.param == "compiled" else None
        patch.setattr(fast._Loading, "kernels", kernels)  # noqa: SLF001 - both ways
        yield request.param


def built(records: list[Record], base: int = 0, compression: str = "none") -> bytes:
    """Return the batch of these records as it lies in a log at an offset."""
    made = asyncio.run(batches.build(records, 1_700_000_000_000, (1, 0, 0), compression))
    return base.to_bytes(8, "big") + made[8:]


def theirs(answer: bytes) -> list[tuple[bytes | None, bytes | None]]:
    """Return the records as aiokafka reads them."""
    memory, found = MemoryRecords(answer), []
    while memory.has_next():
        found += [(record.key, record.value) for record in memory.next_batch()]
    return found


def by_arrays(answer: bytes) -> list[tuple[bytes | None, bytes | None]] | None:
    """Return the records of an answer's only batch as arrays find them; None if they do not."""
    (batch,) = recordbatch.batches(answer, LONG)
    found = recordbatch._arrays(*recordbatch._unpacked(answer, batch), batch.head)  # noqa: SLF001 - whether it is so
    return None if found is None else found[0].items()


@given(cells, others, st.sampled_from(["none", "gzip", "lz4", "zstd", "snappy"]))
def test_what_is_found_by_arrays_is_what_the_batch_holds(
    way: str, records: list[Record], more: list[Record], compression: str
) -> None:
    """Rule: the loop gives exactly aiokafka's records, NumPy the same or nothing, whatever keys and values imitate."""
    answer = built([*records, *more, Record(PROGRESS, b"{}")], compression=compression)
    found = by_arrays(answer)
    assert found == theirs(answer) or (found is None and way == "NumPy")


@given(st.lists(st.binary(min_size=1, max_size=90), min_size=1, max_size=40, unique=True), st.integers(0, 200))
def test_a_write_of_cells_is_read_by_arrays(names: list[bytes], size: int) -> None:
    """Rule: groups of cells, one after the other, with tombstones among them, need no other parser."""
    groups = [(4, 4), (5, 4), (6, 6)]
    records = [
        Record(cell_key(pane, first, name), None if n % 7 == 3 else bytes([n % 250]) * (size + n % 3))
        for pane, first in groups
        for n, name in enumerate(names)
        if b"\x80" not in name
    ]
    answer = built([*records, Record(PROGRESS, b"{}")])
    assert by_arrays(answer) == theirs(answer)


@pytest.mark.parametrize("count", [127, 128, 255, 256, 5001, 16_511])
def test_the_number_of_records_does_not_matter(count: int) -> None:
    """Rule: the count, which lies before the first record, is not taken for a part of it, whatever its bytes."""
    answer = built([Record(cell_key(1, 1, b"%06d" % n), b"v" * 150) for n in range(count)])
    assert by_arrays(answer) == theirs(answer)


def test_a_large_write_is_read_by_arrays_and_from_any_offset_on() -> None:
    """Rule: offsets count within the batch; the chunk begins at the first record that is wanted."""
    records = [Record(cell_key(1, 1, b"key-%06d" % n), b"v" * (n % 200)) for n in range(5000)]
    answer = built(records, base=1000)
    (batch,) = recordbatch.batches(answer, LONG)
    for start in (0, 1000, 1001, 5999, 6000):
        chunk = recordbatch.parse(answer, batch, start)
        wanted = records[max(0, start - 1000) :]
        assert chunk.items() == wanted
        assert (chunk.lo, chunk.hi) == (max(start, 1000) if wanted else None, 6000)
    assert batch.head.next_offset == 6000


def test_holes_of_compaction_are_kept_as_holes() -> None:
    """Rule: records that compaction took away leave their offsets; the batch ends where it ended."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, 1, 0, 0, 1 << 20)
    for delta in range(0, 900, 3):
        builder.append(delta, 1, cell_key(1, 1, b"%d" % delta), b"v", [])
    made = bytearray(builder.build())
    (batch,) = recordbatch.batches(bytes(made), LONG)
    chunk = recordbatch.parse(bytes(made), batch, 4)
    assert (len(chunk), chunk.lo) == (298, 6)


def test_answers_are_cut_into_whole_batches_before_an_offset() -> None:
    """Rule: a batch that is cut off, or begins at the end that is asked for, is not read."""
    first, second = built([Record(b"a", b"1"), Record(b"b", b"2")], 10), built([Record(b"c", b"3")], 12)
    answer = first + second
    assert [batch.head.base_offset for batch in recordbatch.batches(answer, LONG)] == [10, 12]
    assert [batch.head.base_offset for batch in recordbatch.batches(answer[:-1], LONG)] == [10]
    assert [batch.head.base_offset for batch in recordbatch.batches(answer, 12)] == [10]
    assert list(recordbatch.batches(answer[:30], LONG)) == []


@pytest.mark.parametrize("count", [3, 500])
def test_a_damaged_batch_is_refused(count: int) -> None:
    """Rule: one changed bit anywhere behind the checksum is noticed."""
    answer = bytearray(built([Record(cell_key(1, 1, b"%d" % n), b"v") for n in range(count)], 5))
    for place in (22, 61, len(answer) - 1):
        answer[place] ^= 0x40
        (batch,) = recordbatch.batches(bytes(answer), LONG)
        with pytest.raises(ReadFailed, match="offset 5 is damaged"):
            recordbatch.parse(bytes(answer), batch, 0)
        answer[place] ^= 0x40


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("count", [1, 300])
def test_a_batch_that_decompresses_to_more_than_its_bound_is_refused(compression: str, count: int) -> None:
    """Rule: some kilobytes that claim to hold much more than a batch may are an error, not memory."""
    size = unpacking.MAX_BYTES // count + 1
    answer = built([Record(cell_key(1, 1, b"%d" % n), bytes(size)) for n in range(count)], 7, compression)
    (batch,) = recordbatch.batches(answer, LONG)
    with pytest.raises(ReadFailed, match="offset 7 cannot be read: they decompress to more than 67108864 bytes"):
        recordbatch.parse(answer, batch, 0)


def test_an_older_message_format_is_refused() -> None:
    """Rule: a log of the format before record batches is named, not misread."""
    answer = bytearray(built([Record(b"a", b"1")]))
    answer[16] = 1
    with pytest.raises(ReadFailed, match="message format 1"):
        list(recordbatch.batches(bytes(answer), LONG))
