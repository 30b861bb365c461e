"""`streams.runtime.taking`: batches are as large as pays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.inbox import LARGE
from streams.runtime.taking import (
    ANSWER_SHARE,
    FEW_CELLS_BYTES,
    FEW_RECORDS,
    INPUT_BYTES,
    MANY_CELLS,
    MANY_OPEN,
    MANY_OPEN_BYTES,
    MANY_PARTITIONS,
    MOST_BYTES,
    MOST_RECORDS,
    TakeSize,
)
from streams.settings import FETCH_BYTES, KafkaSettings


@pytest.mark.parametrize(("cells", "size"), [(75, FEW_CELLS_BYTES), (2 * MANY_CELLS, MOST_BYTES)])
def test_batches_are_large_where_writes_are(cells: int, size: int) -> None:
    """Where a write changes many cells, more events share it; where it changes few, memory is spared."""
    takes, writes = TakeSize(), 0
    for _ in range(20):
        writes += 4
        takes.wrote(writes, writes * cells, 0)
    assert takes.bytes == size
    assert takes.joined == (MOST_RECORDS if size == MOST_BYTES else FEW_RECORDS)


def test_input_gives_way_to_cells() -> None:
    """A worker with very many open cells takes less memory for input."""
    takes = TakeSize()
    for writes in range(1, 20):
        takes.wrote(writes, writes * 2 * MANY_CELLS, MANY_OPEN)
    assert takes.bytes == MANY_OPEN_BYTES
    assert takes.joined == FEW_RECORDS


def test_the_size_follows_what_is_written() -> None:
    """A change of the input is followed within some writes, in both directions; no write is no news."""
    takes, writes, records, seen = TakeSize(), 0, 0, []
    for cells in (50, 5_000, 50):
        for _ in range(30):
            writes, records = writes + 1, records + cells
            takes.wrote(writes, records, 0)
        takes.wrote(writes, records, 0)
        seen.append(takes.bytes)
    assert seen == [FEW_CELLS_BYTES, MOST_BYTES, FEW_CELLS_BYTES]


@given(st.integers(0, 5_000), st.integers(0, 100_000))
def test_all_partitions_together_have_room(partitions: int, cells: int) -> None:
    """Few partitions can all have a batch in work and more waiting; of many, some have one as large as an answer."""
    takes = TakeSize()
    takes.partitions = partitions
    takes.wrote(1, cells, cells)
    assert FETCH_BYTES <= takes.bytes <= MOST_BYTES
    if partitions <= MANY_PARTITIONS:
        assert takes.bytes * (LARGE + 1) * partitions <= INPUT_BYTES
    else:
        assert takes.bytes <= ANSWER_SHARE


def test_few_partitions_and_many_are_answered_more() -> None:
    """The default is shared among four at least, and larger where partitions are many; what the user says is kept."""
    takes, found = TakeSize(), []
    for partitions in (1, 2, 4, MANY_PARTITIONS, MANY_PARTITIONS + 1, 64):
        takes.partitions = partitions
        found.append(takes.fetched(FETCH_BYTES) / FETCH_BYTES)
        assert takes.fetched(100_000) == 100_000
    assert found == [4, 2, 1, 1, *[ANSWER_SHARE / FETCH_BYTES] * 2]


def test_the_default_is_that_of_the_settings() -> None:
    """The size that is raised is the one that users have without saying anything."""
    assert KafkaSettings().max_partition_fetch_bytes == FETCH_BYTES
