"""Where events go and how they are cut into batches."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams.effects import Event
from streams.transport.batches import build, event_bound, size_bound
from streams.transport.errors import TooLarge
from streams.transport.events import Placement, pack
from streams.transport.wire import HEAD_BYTES
from tables.records import Record

HEADERS = st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=200)), max_size=3).map(tuple)
EVENTS = st.builds(
    Event, st.just("t"), st.none() | st.binary(max_size=300), st.none() | st.binary(max_size=300), headers=HEADERS
)
RECORDS = st.builds(Record, st.binary(max_size=300), st.none() | st.binary(max_size=20_000))


@pytest.mark.parametrize(
    ("key", "murmur2"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536), (b"abc", 479470107)],
)
def test_a_key_goes_where_java_puts_it(key: bytes, murmur2: int) -> None:
    """The vectors are those of Kafka's own UtilsTest.testMurmur2."""
    for count in (1, 3, 12):
        assert Placement(count).of(Event("t", key, None)) == (murmur2 & 0x7FFFFFFF) % count


def test_events_without_key_stay_together_and_a_named_partition_counts() -> None:
    """One send makes one batch of keyless events; a partition that is named is taken as it is."""
    place = Placement(50)
    assert len({place.of(Event("t", None, b"%d" % n)) for n in range(100)}) == 1
    assert place.of(Event("t", b"21", None, (), 49)) == 49


@given(st.lists(EVENTS, max_size=30), st.integers(1500, 5000))
def test_packing_keeps_order_and_the_limit(events: list[Event], limit: int) -> None:
    """Batches joined are the events; each, built, is at most as large as the limit and as its bound."""
    batches = list(pack(events, limit))
    assert [event for batch in batches for event in batch] == events
    for batch in batches:
        size = len(asyncio.run(build(batch, 1_790_000_000_000)))
        assert size <= HEAD_BYTES + sum(map(event_bound, batch)) <= limit


def test_an_event_that_fits_no_batch_is_named() -> None:
    """The error tells topic, size and limit."""
    with pytest.raises(TooLarge, match=r"'t' \(key b'k'\).*\(1000 bytes\)"):
        list(pack([Event("t", b"k", b"x" * 1000)], 1000))


@given(st.lists(RECORDS, min_size=1, max_size=30))
def test_the_size_bound_holds_and_what_is_built_can_be_read(records: list[Record]) -> None:
    """No batch is larger than its bound, and keys, values and tombstones come back."""
    data = asyncio.run(build(records, 1_790_000_000_000, (1, 2, 3)))
    assert len(data) <= size_bound(records)
    batch = MemoryRecords(data).next_batch()
    assert batch is not None
    assert batch.validate_crc()
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (1, 2, 3)
    assert [Record(record.key, record.value) for record in batch] == records


def test_a_batch_of_many_slices_is_one_batch() -> None:
    """The event loop gets its turn between slices; the batch does not show it."""
    records = [Record(b"%d" % n, b"x") for n in range(45_000)]
    memory = MemoryRecords(asyncio.run(build(records, 1)))
    assert [record.offset for record in memory.next_batch() or []] == list(range(45_000))
    assert not memory.has_next()
