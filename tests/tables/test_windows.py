"""Windows and panes against a brute-force oracle.

Hopping windows of 3 steps, pane = step (size 30, every 10):

    time      0    10    20    30    40    50
    pane      |  0  |  1  |  2  |  3  |  4  |
    window -2 [=====)
    window -1 [===========)
    window  0 [=================)
    window  1       [=================)
    window  2             [=================)

A size that is no multiple of `every` (size 25, every 10; pane = gcd = 5):

    time      0    5    10   15   20   25   30   35
    pane      | 0  | 1  | 2  | 3  | 4  | 5  | 6  |
    window 0  [========================)
    window 1            [========================)
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.records import NEVER
from tables.spec import Window
from tables.windows import FOREVER, Panes

windows = st.builds(
    lambda size, every, grace: Window(size, min(every, size), grace),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 40),
)
times = st.integers(-500, 500)


def holding(window: Window, time: int) -> list[int]:
    """Return all windows that contain `time`, by trying them."""
    return [k for k in range(-600, 600) if k * window.every <= time < k * window.every + window.size]


@given(windows, times)
def test_a_pane_lies_in_exactly_the_windows_that_contain_its_times(window: Window, time: int) -> None:
    """The windows first_of .. last_of of a time's pane are all windows that contain the time, and no other."""
    panes = Panes(window)
    pane = panes.pane(time)
    assert list(range(panes.first_of(pane), panes.last_of(pane) + 1)) == holding(window, time)


@given(windows, st.integers(-40, 40))
def test_the_panes_of_a_window_tile_it(window: Window, number: int) -> None:
    """The panes of a window cover it from start to end without gap, and each names it among its own windows."""
    panes = Panes(window)
    covered = panes.panes_of(number)
    assert covered[0] * panes.length == panes.start(number) == number * window.every
    assert (covered[-1] + 1) * panes.length == panes.end(number) == number * window.every + window.size
    assert all(panes.first_of(p) <= number <= panes.last_of(p) for p in covered)


@given(windows, times)
def test_open_from_is_the_first_window_whose_end_and_grace_lie_ahead(window: Window, watermark: int) -> None:
    """A window closes when the watermark reaches its end + grace, not before."""
    panes = Panes(window)
    number = panes.open_from(watermark)
    assert panes.end(number) + window.grace > watermark >= panes.end(number - 1) + window.grace
    assert panes.closes_at(number) == panes.end(number) + window.grace


@given(windows, st.lists(st.tuples(times, times), min_size=1, max_size=30))
def test_a_row_counts_in_each_of_its_windows_that_is_still_open(window: Window, rows: list[tuple[int, int]]) -> None:
    """Lateness is per window: a row is late only if every window that contains it is closed."""
    panes = Panes(window)
    time = np.array([t for t, _ in rows], np.int64)
    running = np.array([w for _, w in rows], np.int64)
    pane = panes.pane(time)
    first = panes.counts_from(pane, running)
    late = panes.late(pane, first)
    for row, (instant, watermark) in enumerate(rows):
        still = [k for k in holding(window, instant) if k * window.every + window.size + window.grace > watermark]
        assert late[row] == (not still)
        if still:
            assert list(range(first[row], panes.last_of(int(pane[row])) + 1)) == still


@given(windows, st.lists(times, min_size=1, max_size=20))
def test_arrays_and_scalars_agree(window: Window, instants: list[int]) -> None:
    """Every function says the same of an array as of each of its elements."""
    panes = Panes(window)
    array = np.array(instants, np.int64)
    for function in (panes.pane, panes.first_of, panes.last_of, panes.start, panes.end, panes.open_from):
        assert function(array).tolist() == [function(t) for t in instants]


@given(windows, times, times)
def test_windows_at_lists_the_windows_that_start_in_a_range(window: Window, from_: int, to: int) -> None:
    """A range of times names the windows that start in it."""
    expected = [k for k in range(-600, 600) if from_ <= k * window.every < to]
    assert list(Panes(window).windows_at(from_, to)) == expected


def test_before_anything_was_seen_every_window_is_open() -> None:
    """The watermark of an input in which nothing was seen closes nothing and does not overflow."""
    panes = Panes(Window(300_000, 30_000, 10_000))
    pane = panes.pane(np.array([0, 1_700_000_000_000], np.int64))
    first = panes.counts_from(pane, np.array([NEVER, NEVER], np.int64))
    assert first.tolist() == panes.first_of(pane).tolist()


@pytest.mark.parametrize("watermark", [NEVER, 0, 1_700_000_000_000])
def test_without_window_there_is_one_that_never_closes(watermark: int) -> None:
    """A running total has pane 0 and window 0 for every time, and no row is ever late."""
    panes = Panes(None)
    pane = panes.pane(np.array([-5, 0, 10**13], np.int64))
    first = panes.counts_from(pane, np.full(3, watermark, np.int64))
    assert pane.tolist() == first.tolist() == [0, 0, 0]
    assert not panes.late(pane, first).any()
    assert panes.panes_of(0) == range(1)
    assert panes.open_from(watermark) == 0
    assert panes.closes_at(0) == panes.end(0) == FOREVER
