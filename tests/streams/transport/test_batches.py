"""Record batches of changelog records: the compiled loop makes what aiokafka's builder makes, byte by byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import fast
from streams.transport import batches
from tables.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

NOW = 1_700_000_000_000
LENGTHS = st.one_of(st.integers(0, 3), st.integers(60, 66), st.integers(8_186, 8_194))
"""Around them, a length takes a byte more."""
FIELDS = st.builds(lambda size, byte: bytes([byte]) * size, LENGTHS, st.integers(0, 255))
ROWS = st.lists(st.builds(Record, FIELDS, st.none() | FIELDS), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def loops() -> ModuleType:
    """Return the compiled loops."""
    pytest.importorskip("numba")
    loaded = fast.load()
    assert loaded is not None
    return loaded


def built(rows: Sequence[Record], loops: ModuleType | None, producer: tuple[int, int, int] = (7, 1, 5)) -> bytes:
    """Return the batch, by the loop or by aiokafka."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast._Loading, "kernels", loops)  # noqa: SLF001 - both ways
        return asyncio.run(batches.build(rows, NOW, producer))


@given(ROWS, st.sampled_from([(-1, -1, -1), (7, 1, 5), (1 << 40, 32_767, (1 << 31) - 1)]))
def test_a_batch_is_that_of_aiokafka(loops: ModuleType, rows: list[Record], producer: tuple[int, int, int]) -> None:
    """Rule: whatever keys and values are, empty, null or long: both ways make the same bytes."""
    assert built(rows, loops, producer) == built(rows, None, producer)


@pytest.mark.parametrize("count", [64, 65, 8_192, 8_193, batches.SLICE + 1, batches.COMPILED, batches.COMPILED + 1])
def test_a_batch_of_many_records_is_that_of_aiokafka(loops: ModuleType, count: int) -> None:
    """Rule: so it is where the number of a record takes more than a byte."""
    rows = [Record(b"k%d" % row, None if row % 7 == 0 else b"v" * (row % 90)) for row in range(count)]
    assert built(rows, loops) == built(rows, None)


def test_a_batch_is_no_larger_than_its_bound(loops: ModuleType) -> None:
    """Rule: what a write is cut by is no less than what it takes, both ways."""
    rows = [Record(b"k" * 200, b"v" * 20)] * 9_000 + [Record(b"k" * 200, b"v" * 20_000)] * 90
    assert len(built(rows, loops)) == len(built(rows, None)) <= batches.size_bound(rows)
