"""Whole record batches out of aiokafka's fetcher, on batches made by hand: no broker."""

# ruff: noqa: SLF001 - the fetcher of a consumer is private, and it is what is tested here
from __future__ import annotations

import asyncio
import tracemalloc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from streams import fast
from streams.transport import answers, fetch
from streams.transport.errors import ReadFailed

TP = TopicPartition("in", 0)
NOW = 1_790_000_000_000
WAYS = ("aiokafka's reader", "objects", "arrays")
READING = {"kept": True}
"""Whether `fetcher` has kept the bytes of its answer."""


@pytest.fixture(autouse=True, params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every rule holds for the three ways of reading: without the answer's bytes, and with them in two ways."""
    way: str = request.param
    kernels = fast.load() if way == "arrays" else None
    if way == "arrays" and kernels is None:
        pytest.skip("the extra `fast` is not installed")
    monkeypatch.setattr(fast._Loading, "kernels", kernels)
    monkeypatch.setitem(READING, "kept", way != "aiokafka's reader")
    return way


def encode(offsets: list[int], base: int = 0, codec: int = 0, attributes: int = 0, producer: int = -1) -> bytearray:
    """Return a record batch at `base` with records at these offsets; value and key tell the offset."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, producer, 0, 0, 1 << 20)
    for offset in offsets:
        builder.append(offset - base, NOW + offset, b"k%d" % offset, b"value-%d" % offset, [])
    data = bytearray(builder.build())
    data[0:8] = base.to_bytes(8, "big")
    data[22] |= attributes
    return checked(data)


def checked(data: bytearray) -> bytearray:
    """Set the checksum of a batch (CRC-32C from the attributes on)."""
    from aiokafka.record.util import calc_crc32c  # noqa: PLC0415 - only where attributes were changed

    data[17:21] = calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
    return data


class State:
    """A partition's position as aiokafka keeps it."""

    paused = False

    def __init__(self, position: int) -> None:
        """Stand at `position`."""
        self.position = position

    def consumed_to(self, position: int) -> None:
        """Move."""
        self.position = position


def fetcher(data: bytes, position: int = 0, isolation: int = READ_UNCOMMITTED, aborted: Any = ()) -> Any:
    """Return what `take` needs of a fetcher that holds one fetch answer."""
    state = State(position)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    part = PartitionRecords(TP, MemoryRecords(bytes(data)), list(aborted), position, None, None, True, isolation)  # noqa: FBT003
    result = FetchResult(TP, assignment=assignment, partition_records=part, backoff=0.1)
    woken: list[Any] = []
    tap = answers.Tap(None, None)
    if READING["kept"]:
        tap.kept[TP] = answers.Answer(bytes(data), position)
    return SimpleNamespace(
        _client=tap,
        _records={TP: result},
        _subscriptions=SimpleNamespace(reassignment_in_progress=False),
        _notify=woken.append,
        _wait_consume_future="future",
        state=state,
        woken=woken,
    )


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4], ids=["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_gives_values_offsets_and_timestamps(codec: int) -> None:
    """What was sent comes out, in order, whatever the compression; the fetcher is told to go on."""
    source = fetcher(encode(list(range(100)), codec=codec) + encode(list(range(100, 150)), 100, codec))
    records = fetch.take(source, [TP])[TP]
    assert (records.lo, records.hi, len(records)) == (0, 150, 150)
    assert list(records.values) == [b"value-%d" % n for n in range(150)]
    assert np.array_equal(records.offsets, np.arange(150))
    assert np.array_equal(records.timestamps, NOW + np.arange(150))
    assert records.all_keys() == [b"k%d" % n for n in range(150)]
    assert source.state.position == 150
    assert source._records == {}
    assert source.woken == ["future"]


def test_keys_are_those_of_their_records() -> None:
    """A key is found for any record, in any order, also behind a trimmed beginning."""
    records = fetch.take(fetcher(encode([0, 1, 2]) + encode([3, 4], 3), position=1))[TP]
    assert [records.key(row) for row in (3, 0, 2, 1)] == [b"k4", b"k1", b"k3", b"k2"]
    assert records.before(3).all_keys() == [b"k1", b"k2"]


def test_what_is_null_and_what_is_empty_stay_apart() -> None:
    """Null keys and values are None, empty ones are empty bytes; headers do no harm."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, 0, 0, 1 << 20)
    rows = [(None, None), (b"", b""), (b"k", None), (None, b"v"), (b"x" * 300, b"y" * 70_000)]
    for offset, (key, value) in enumerate(rows):
        builder.append(offset, NOW - 1_000_000_000 * offset, key, value, [("h", b"1"), ("none", None)])
    records = fetch.take(fetcher(bytes(builder.build())))[TP]
    assert list(zip(records.all_keys(), records.values, strict=True)) == rows
    assert records.timestamps.tolist() == [NOW - 1_000_000_000 * offset for offset in range(5)]


def test_the_brokers_clock_counts_where_the_topic_says_so() -> None:
    """Under LogAppendTime every record has the batch's greatest timestamp."""
    records = fetch.take(fetcher(encode([0, 1], attributes=8)))[TP]
    assert records.timestamps.tolist() == [NOW + 1] * 2


def test_a_batch_that_begins_before_the_position_is_trimmed() -> None:
    """A seek into the middle of a batch gives the records from there on."""
    records = fetch.take(fetcher(encode([5, 6, 7, 8], 5), position=7))[TP]
    assert (records.lo, records.hi, list(records.values)) == (7, 9, [b"value-7", b"value-8"])
    assert records.offsets.tolist() == [7, 8]


def test_compaction_holes_are_passed_over() -> None:
    """Offsets need not follow each other; the range has no hole."""
    records = fetch.take(fetcher(encode([10, 12, 17], 10) + encode([30], 30), position=8))[TP]
    assert (records.lo, records.hi, records.offsets.tolist()) == (8, 31, [10, 12, 17, 30])


def test_one_take_is_bounded_and_the_rest_follows() -> None:
    """After the batch that passes the bound the rest stays, and the position says so."""
    source = fetcher(b"".join(encode(list(range(n, n + 10)), n) for n in range(0, 50, 10)))
    assert [fetch.take(source, max_records=15)[TP].hi for _ in range(3)] == [20, 40, 50]
    assert fetch.take(source) == {}
    source = fetcher(b"".join(encode(list(range(n, n + 10)), n) for n in range(0, 50, 10)))
    assert fetch.take(source, max_bytes=1)[TP].hi == 10
    assert source.state.position == 10


def test_control_batches_move_the_range_without_records() -> None:
    """Transaction markers are no records, but their offsets are acknowledged with the range."""
    marker = encode([2], 2, attributes=0x30, producer=7)
    records = fetch.take(fetcher(encode([0, 1]) + marker))[TP]
    assert (records.hi, records.offsets.tolist()) == (3, [0, 1])
    alone = fetch.take(fetcher(marker, position=2))[TP]
    assert (alone.lo, alone.hi, len(alone), alone.timestamps.dtype) == (2, 3, 0, np.int64)


def test_aborted_transactions_are_left_out_under_read_committed() -> None:
    """Batches of an aborted producer vanish until its abort marker; others stay."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, 7, 0, 0, 1 << 20)
    builder.append(0, NOW, b"\0\0\0\0", b"\0\0\0\0\0\0", [])
    marker = bytearray(builder.build())
    marker[0:8], marker[22] = (2).to_bytes(8, "big"), 0x30
    log = encode([0], 0, attributes=0x10, producer=7) + encode([1], 1) + checked(marker)
    log += encode([3], 3, attributes=0x10, producer=7)
    taken = fetch.take(fetcher(log, isolation=READ_COMMITTED, aborted=[(7, 0)]))[TP]
    assert taken.offsets.tolist() == [1, 3]
    assert fetch.take(fetcher(log))[TP].offsets.tolist() == [0, 1, 3]


def test_a_damaged_batch_is_an_error_at_its_offset_after_the_good_ones() -> None:
    """The checksum is looked at; nothing behind the damage is taken, nothing before it is lost."""
    bad = encode([2, 3], 2)
    bad[-1] ^= 1
    source = fetcher(encode([0, 1]) + bad + encode([4], 4))
    assert fetch.take(source)[TP].offsets.tolist() == [0, 1]
    assert (source.state.position, source._records) == (2, {})
    with pytest.raises(ReadFailed, match=r"in-0 at offset 2: .*checksum"):
        fetch.take(fetcher(bad, position=2))


def test_a_batch_that_lies_about_its_records_is_an_error() -> None:
    """A batch with a right checksum but broken records inside does not pass half read."""
    bad = encode([2, 3], 2)
    bad[61] = 120
    source = fetcher(encode([0, 1]) + checked(bad))
    assert list(fetch.take(source)[TP].values) == [b"value-0", b"value-1"]
    with pytest.raises(ReadFailed, match="in-0 at offset 2"):
        fetch.take(fetcher(checked(bad), position=2))


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_a_compressed_batch_that_is_none_is_an_error(codec: int) -> None:
    """Bytes that no decompressor takes are named with partition and offset."""
    bad = encode([2, 3], 2)
    bad[22] = codec
    with pytest.raises(ReadFailed, match="in-0 at offset 2"):
        fetch.take(fetcher(checked(bad), position=2))


@pytest.mark.parametrize("byte", range(21, 90, 3))
def test_a_flipped_bit_anywhere_is_found_and_named(byte: int) -> None:
    """The checksum covers attributes, counts, keys and values: one changed bit in any of them is damage."""
    bad = encode([2, 3], 2)
    bad[byte] ^= 0x10
    source = fetcher(encode([0, 1]) + bad)
    assert fetch.take(source)[TP].hi == 2
    with pytest.raises(ReadFailed, match=r"in-0 at offset 2: the record batch at offset 2 is damaged \(its checksum"):
        fetch.take(fetcher(bad, position=2))


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_a_decompression_bomb_is_left_out_and_told(codec: int, way: str) -> None:
    """A batch that takes more than the bound is lost whole; its neighbours are read, and memory stays bounded."""
    if way == "aiokafka's reader":
        pytest.skip("without its bytes nothing is known of a batch before it is unpacked")
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, 0, 0, 1 << 30)
    for delta in range(5):
        builder.append(delta, NOW, None, bytes(4 << 20), [])
    bomb = bytearray(builder.build())
    bomb[0:8] = (2).to_bytes(8, "big")
    source = fetcher(encode([0, 1]) + bomb + encode([7], 7))
    tracemalloc.start()
    records = fetch.take(source, max_batch_bytes=8 << 20)[TP]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (records.offsets.tolist(), records.hi) == ([0, 1, 7], 8)
    assert [(lost.lo, lost.hi, lost.count, lost.size) for lost in records.lost] == [(2, 7, 5, len(bomb))]
    assert "8388608" in records.lost[0].message
    assert peak < 10 << 20
    alone = fetch.take(fetcher(bomb, position=2), max_batch_bytes=8 << 20)[TP]
    assert (len(alone), alone.hi, len(alone.lost)) == (0, 7, 1)
    assert len(fetch.take(fetcher(bomb, position=2), max_batch_bytes=21 << 20)[TP]) == 5


def test_two_readers_of_one_result_are_refused() -> None:
    """What aiokafka's own reader has begun is not read again from the middle."""
    source = fetcher(encode([0, 1]))
    source._records[TP].getone()
    with pytest.raises(ReadFailed, match="another reader"):
        fetch.take(source)


def test_nothing_is_taken_in_a_rebalance_or_of_other_partitions_or_after_a_seek() -> None:
    """Records of partitions that we may have lost, that are not asked for, or that were sought away stay out."""
    source = fetcher(encode([0]))
    source._subscriptions.reassignment_in_progress = True
    assert fetch.take(source) == {}
    source = fetcher(encode([0]))
    assert fetch.take(source, [TopicPartition("in", 1)]) == {}
    assert TP in source._records
    source.state.position = 5
    assert fetch.take(source) == {}
    assert TP not in source._records


def test_partitions_that_there_is_no_room_for_are_left() -> None:
    """The one that passes the bytes of all is the last; the others are taken by the next call."""
    source, other = fetcher(encode([0, 1])), TopicPartition("in", 1)
    source._records[other] = fetcher(encode([0, 1]))._records[TP]
    if READING["kept"]:
        source._client.kept[other] = answers.Answer(encode([0, 1]), 0)
    assert list(fetch.take(source, room=1)) == [TP]
    assert list(fetch.take(source, room=1)) == [other]
    assert fetch.take(source, room=1) == {}


def test_an_error_of_the_fetch_is_raised_once() -> None:
    """What aiokafka found out while it fetched reaches the caller, and fetching goes on."""
    source = fetcher(encode([0]))
    source._records[TP] = FetchError(error=OffsetOutOfRangeError({TP: 3}), backoff=0.1)
    with pytest.raises(OffsetOutOfRangeError):
        fetch.take(source)
    assert fetch.take(source) == {}


def test_wait_returns_for_wanted_data_or_news_or_after_its_time() -> None:
    """Data that is there counts only if its partition is wanted; else the next fetch answer does."""

    async def main() -> list[bool]:
        source = fetcher(encode([0]))
        waiter = asyncio.get_running_loop().create_future()
        source._create_fetch_waiter = lambda: waiter
        found = [await fetch.wait(source, 0.01, [TP]), await fetch.wait(source, 0.01, [TopicPartition("in", 1)])]
        waiter = asyncio.get_running_loop().create_future()
        waiter.set_result(None)
        return [*found, await fetch.wait(source, 0.01)]

    assert asyncio.run(main()) == [True, False, True]
