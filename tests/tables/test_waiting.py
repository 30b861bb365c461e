"""Which of the records that wait for a store go there."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables import waiting as waiting_module
from tables.pieces import Pieces
from tables.records import group_prefix
from tables.waiting import WaitingCells, last_of_each
from tables.written import CellRecords, Written

numbers = st.integers(0, 9) | st.integers(-(1 << 62), 1 << 62)


@given(st.lists(numbers, min_size=1, max_size=40))
def test_the_last_of_equal_numbers(found: list[int]) -> None:
    """Rule: it is the position that a dictionary ends with, however far apart the numbers lie."""
    last = {number: at for at, number in enumerate(found)}
    assert last_of_each(np.array(found, np.int64)).tolist() == sorted(last.values())


cells_ = st.lists(st.integers(0, 9), unique=True, max_size=6)
lives = st.lists(st.tuples(st.integers(0, 1), cells_), max_size=40)
eras = st.lists(st.integers(0, 39), max_size=3).map(set)
"""Before which writes all cells left the memory: those that come back have new numbers."""


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    """Merge parts early."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting_module, "MERGED", 3)
        yield


def waiting_after(
    life: list[tuple[int, list[int]]], begins: Collection[int] = ()
) -> tuple[WaitingCells, dict[bytes, bytes]]:
    """Return what waits after writes of (group, cells), and the last value of each key."""
    waiting, wanted, era = WaitingCells(), {}, 0
    for number, (group, cells) in enumerate(life):
        era += 1000 * (number in begins)
        prefix = group_prefix(1, group)
        keys, values = [prefix + b"k%d" % cell for cell in cells], [b"%d of %d" % (cell, number) for cell in cells]
        own = np.array([era + 20 * group + cell for cell in cells], np.int64)
        waiting.add([CellRecords(prefix, own, Pieces.of(keys), Pieces.of(values))])
        wanted.update(zip(keys, values, strict=True))
    return waiting, wanted


@given(lives, st.integers(1, 7))
def test_each_cell_goes_once_with_its_last_value(life: list[tuple[int, list[int]]], most: int) -> None:
    """Rule: all cells, none twice, so many at once, with what the last of their records says."""
    waiting, wanted = waiting_after(life)
    size = most * waiting.size // max(1, len(waiting))
    slices = [list(Written(some)) for some in waiting.slices(size)]
    assert all(1 <= len(records) <= most for records in slices)
    assert len({len(records) for records in slices[:-1]}) <= 1
    assert sum(map(len, slices)) == len(wanted)
    assert {key: value for records in slices for key, value in records} == wanted


@given(lives, eras, st.integers(1, 7))
def test_a_cell_that_came_back_goes_behind_what_it_was(
    life: list[tuple[int, list[int]]], begins: set[int], most: int
) -> None:
    """Rule: where a cell has several numbers, the last value goes last."""
    waiting, wanted = waiting_after(life, begins)
    assert {key: value for some in waiting.slices(most * 30) for key, value in Written(some)} == wanted


@given(lives, eras, st.integers(0, 1), st.integers(0, 9), st.integers(1, 7))
def test_what_waits_is_read_as_a_dictionary_is(
    life: list[tuple[int, list[int]]], begins: set[int], group: int, cell: int, most: int
) -> None:
    """Rule: by key, and in order from a key on, whatever parts were merged, and whatever number a cell has."""
    waiting, wanted = waiting_after(life, begins)
    prefix = group_prefix(1, group)
    key = prefix + b"k%d" % cell
    assert waiting.get(key) == wanted.get(key)
    assert waiting.get(prefix + b"x") is None
    rest = sorted(item for item in wanted.items() if item[0].startswith(prefix) and item[0] >= key)
    assert waiting.items(prefix, key, most) == rest[:most]
    assert waiting.prefixes() == {each[: len(prefix)] for each in wanted}


@given(lives)
def test_what_was_written_again_and_again_takes_little_memory(life: list[tuple[int, list[int]]]) -> None:
    """Rule: parts are merged level by level, so that of a cell no more records wait than levels have room for."""
    waiting, wanted = waiting_after(life)
    levels = 1 + int(math.log(len(life) + 1, 3))
    assert len(waiting) <= len(wanted) * 2 * levels


def test_a_cell_that_came_back_is_read_as_it_is_now() -> None:
    """Rule: also where the records of all its numbers were merged to one part."""
    waiting, wanted = waiting_after([(0, [1])] * 3, {1, 2})
    ((key, value),) = wanted.items()
    assert len(waiting) == 3
    assert waiting.get(key) == value == b"1 of 2"
    assert waiting.items(key, key, 5) == [(key, value)]


def test_what_waits_is_counted() -> None:
    """Rule: records and bytes are those that are there, before parts are merged and after."""
    waiting, record = WaitingCells(), len(group_prefix(1, 0) + b"k0" + b"0 of 0")
    for number in range(1, 10):
        prefix = group_prefix(1, 0)
        waiting.add([CellRecords(prefix, np.array([7]), Pieces.of([prefix + b"k0"]), Pieces.of([b"0 of 0"]))])
        there = sum(int(digit) for digit in np.base_repr(number, 3))
        assert (len(waiting), waiting.size) == (there, there * record)
