"""Columns as bytes: what is unpacked is what was packed, whatever it is; damaged bytes are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codecs.base import FieldType
from streams.codecs.extract import column
from streams.rekey.packing import Compactor, PackedColumn, PackedInts, Packer, pack, pack_rising

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    "number": st.one_of(INT64, st.floats(allow_nan=False), st.none()),
    "text": st.one_of(st.sampled_from(["a", "b", ""]), st.text(), st.none()),
    "bool": st.one_of(st.booleans(), st.none()),
    "any": st.one_of(st.none(), st.booleans(), INT64, st.text(), st.lists(st.integers()), st.floats(allow_nan=False)),
}


def same(one: list[Any], other: list[Any]) -> bool:
    """Return whether two lists are equal and of the same types: 1, 1.0 and True are three things."""
    return [(type(item), item) for item in one] == [(type(item), item) for item in other]


@pytest.mark.parametrize("want", list(VALUES))
@given(data=st.data())
def test_columns_survive(want: FieldType, data: st.DataObject) -> None:
    """Any part of any column, in any order, comes back with its values, types and nulls."""
    items = data.draw(st.lists(VALUES[want]))
    given_column, n = column(items, want), len(items)
    order = None if data.draw(st.booleans()) else np.array(data.draw(st.permutations(range(n))), np.intp)
    start = data.draw(st.integers(0, n))
    stop = data.draw(st.integers(start, n))
    packed = Packer(given_column, order, Compactor()).pack(start, stop)
    turned = items if order is None else [items[at] for at in order.tolist()]
    assert same(packed.unpack(stop - start).tolist(), turned[start:stop])


def test_what_is_beyond_64_bits_takes_nothing_from_the_values_beside_it() -> None:
    """Beside an integer that no other form holds, every float comes back as it was, infinite ones too."""
    items = [[-(1 << 63) - 1], float("inf"), float("-inf"), -0.0, 0.1, "\u00e9", True, None, {"a": [1 << 70]}]
    packed = Packer(column(items, "any"), None, Compactor()).pack(0, len(items))
    assert same(packed.unpack(len(items)).tolist(), items)


@given(st.lists(INT64, max_size=30))
def test_integers_survive(values: list[int]) -> None:
    """Integers over the whole range of 64 bits come back."""
    array = np.array(values, np.int64)
    assert pack(array).unpack(len(values)).tolist() == values


@given(st.integers(-(1 << 40), 1 << 40), st.lists(st.integers(0, 1 << 40), max_size=30))
def test_rising_integers_survive(first: int, steps: list[int]) -> None:
    """Integers that never fall come back from their steps."""
    array = first + np.cumsum(np.array(steps, np.int64))
    assert pack_rising(array).unpack(len(array)).tolist() == array.tolist()


def test_offsets_and_times_take_a_byte_or_two() -> None:
    """Steps of rising integers are small, and so are times of one batch less the earliest."""
    assert len(pack_rising(np.arange(5_000, 6_000)).data) == 999
    assert len(pack(1_700_000_000_000 + np.arange(1_000)).data) == 2_000


@given(st.lists(st.integers(0, 5_000), min_size=1))
def test_compact_codes_stand_for_the_same(codes: list[int]) -> None:
    """Each row's code among the used ones is its own, and each is used once."""
    used, local = Compactor().compact(np.array(codes), 5_001)
    assert used[local].tolist() == codes
    assert len(set(used.tolist())) == len(used) == len(set(codes))


@pytest.mark.parametrize(
    "damaged",
    [
        PackedColumn("int"),
        PackedColumn("int", ints=PackedInts(0, "<u1", b"1")),
        PackedColumn("int", ints=PackedInts(0, "O", b"12345678")),
        PackedColumn("float", floats=b"1"),
        PackedColumn("bool", bits=b""),
        PackedColumn("text", texts=["a"], ints=PackedInts(1, "<u1", b"\0\0")),
        PackedColumn("text", texts=["a"], ints=PackedInts(-1, "<u1", b"\0\0")),
        PackedColumn("any", items=b"\x91\x01"),
        PackedColumn("any", items=b"\xc1"),
        PackedColumn("any", json=b"[1]"),
        PackedColumn("any", json=b"{"),
        PackedColumn("mixed", floats=bytes(16), ints=PackedInts(0, "<u1", b"12")),
    ],
)
def test_damage_is_refused(damaged: PackedColumn) -> None:
    """A column without a part, with another number of rows, or with codes beyond its texts, has no values."""
    with pytest.raises(ValueError, match=r"\w"):
        damaged.unpack(2)
