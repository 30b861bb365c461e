"""Records as spans of one block of bytes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tables.chunk import Chunk, Spans, pieces, view_at

parts = st.one_of(st.none(), st.binary(max_size=4))
records = st.lists(st.tuples(parts, parts), max_size=20)


def chunk_of(items: list[tuple[bytes | None, bytes | None]], hi: int = 0, lo: int | None = None) -> Chunk:
    """Return the chunk of these records."""
    return Chunk.of([key for key, _ in items], [value for _, value in items], hi, lo)


@given(records)
def test_a_chunk_gives_back_its_records(items: list[tuple[bytes | None, bytes | None]]) -> None:
    """Rule: keys and values come back as they were, null, empty or not; the size is that of their bytes."""
    chunk = chunk_of(items, 7)
    assert chunk.items() == items
    assert (len(chunk), chunk.hi) == (len(items), 7)
    assert chunk.size == sum(len(part or b"") for item in items for part in item)


@given(records, st.lists(st.integers(0, 20), max_size=3))
def test_chunks_join_to_the_records_of_all(items: list[tuple[bytes | None, bytes | None]], cuts: list[int]) -> None:
    """Rule: however a log was cut, the joined chunk has all records in order, from the first offset to the end."""
    edges = sorted({0, len(items), *(min(cut, len(items)) for cut in cuts)})
    several = [chunk_of(items[low:high], high, low) for low, high in pairwise(edges)]
    joined = Chunk.joined(several, 99)
    assert joined.items() == items
    assert (joined.hi, joined.lo) == (99, 0 if several else None)


def test_chunks_of_one_block_are_joined_without_a_copy() -> None:
    """Rule: spans of one fetch answer stay spans of that answer."""
    whole = chunk_of([(b"a", b"1"), (b"b", b"2"), (b"c", None)])
    joined = Chunk.joined([whole.take(slice(0, 1)), whole.take(slice(1, 3))], 3)
    assert joined.blob is whole.blob
    assert joined.items() == [(b"a", b"1"), (b"b", b"2"), (b"c", None)]


def test_some_of_the_records_are_taken_by_index_or_slice() -> None:
    """Rule: `take` keeps order and end."""
    chunk = chunk_of([(b"a", b"1"), (b"b", None), (b"c", b"33")], 3, 0)
    assert chunk.take(np.array([2, 0])).items() == [(b"c", b"33"), (b"a", b"1")]
    assert chunk.take(slice(-1, None)).items() == [(b"c", b"33")]


@given(st.lists(st.binary(min_size=2, max_size=2), min_size=1, max_size=8))
def test_pieces_of_one_size_equal_those_cut_one_by_one(items: list[bytes]) -> None:
    """Rule: the quick way for equal sizes gives the same bytes."""
    blob = b"".join(items)
    spans = Spans(np.arange(len(items)) * 2, np.full(len(items), 2))
    assert pieces(blob, spans) == items


def test_a_view_reads_what_begins_at_each_byte() -> None:
    """Rule: numbers are read from any byte on, aligned or not; a block that is too short has none."""
    assert view_at(b"\1\0\2\0", "V2")[np.array([0, 2])].view("<u2").tolist() == [1, 2]
    assert len(view_at(b"\1", "V2")) == 0
