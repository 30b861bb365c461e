"""Which sliding windows cells make, and their merge, against windows found and added up one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tables.aggregates.base import Fold
from tables.aggregates.count import count
from tables.state import State
from tables.unaligned.overlap import Placed, Windows, merged, touching, windows_of

SIZE = 10
Cell = tuple[int, int, int]
"""Key code, time, and how much later than with its time a cell's windows begin to count."""
cells = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 60), st.sampled_from([0, 0, 0, 1, 4, SIZE])), max_size=60, unique=True
)


def placed(given_: list[Cell]) -> Placed:
    """Return cells as they are kept; the state row of each is its position."""
    code, time, late = (np.array([cell[part] for cell in given_], np.int64) for part in range(3))
    return Placed.of(np.arange(len(given_)), code, time, time + 1 + late)


def counting(given_: list[Cell], code: int, end: int, before: int = SIZE) -> list[int]:
    """Return the positions of the cells that count in a window."""
    return [
        at
        for at, (key, time, late) in enumerate(given_)
        if key == code and end - before - 1 <= time <= end - 1 and time + 1 + late <= end
    ]


def made(given_: list[Cell], from_: int, to: int) -> list[tuple[int, int]]:
    """Return (key code, end) of all windows with ends in a range."""
    lefts = {(key, time + 1) for key, time, late in given_ if not late}
    rights = {(key, time + SIZE + 2) for key, time, _ in given_ if counting(given_, key, time + SIZE + 2)}
    return sorted((key, end) for key, end in lefts | rights if from_ <= end < to)


@given(given_=cells, from_=st.integers(0, 80), length=st.integers(0, 80))
def test_times_say_which_windows_there_are(given_: list[Cell], from_: int, length: int) -> None:
    """A cell makes the window up to it, if it counts in that, and the one from 1 ms after it, if one counts in that."""
    found = windows_of(placed(given_), SIZE, from_, from_ + length)
    assert list(zip(found.code.tolist(), found.end.tolist(), strict=True)) == made(given_, from_, from_ + length)


@given(given_=cells)
def test_each_window_is_the_sum_of_its_cells(given_: list[Cell]) -> None:
    """Merging runs of cells and late cells counts each cell once in each window that it counts in."""
    aggregates = {"n": count()}
    state = State({"n": count().columns()})
    rows = state.allocate(len(given_))
    for weight in range(len(given_)):  # the cell at position i holds i + 1 rows
        part = rows[weight:]
        zeros = np.zeros(len(part), np.int64)
        aggregates["n"].fold(state.of("n"), Fold(part, np.arange(len(part)), None, zeros, zeros))
    at = placed(given_)
    windows = windows_of(at, SIZE, 0, 200)
    sums, into = merged(aggregates, state, Placed(rows[at.rows], at.code, at.time, at.counts), windows, SIZE)
    expected = [
        sum(position + 1 for position in counting(given_, code, end))
        for code, end in zip(windows.code.tolist(), windows.end.tolist(), strict=True)
    ]
    assert aggregates["n"].result(sums.of("n"), into).tolist() == expected


@given(given_=cells, ends=st.lists(st.integers(0, 80), max_size=10))
def test_what_cells_touch(given_: list[Cell], ends: list[int]) -> None:
    """A cell touches the windows that it counts in, and the one that begins 1 ms after it."""
    windows = Windows(np.ones(len(ends), np.int64), np.array(ends, np.int64))
    expected = [bool(counting(given_, 1, end, SIZE + 1)) for end in ends]
    assert touching(placed(given_), windows, SIZE).tolist() == expected
