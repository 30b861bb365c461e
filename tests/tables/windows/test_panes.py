"""Laws that each kind of window keeps that all keys share, over its examples, against windows found one by one.

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

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tables
from tables.records import NEVER
from tables.windows import FOREVER, panes, registry

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from tables.windows import Panes, Window

BASE = 1_700_000_000_000
ALIGNED = [kind for kind in registry().values() if not kind.unaligned]
EXAMPLES = [example for kind in ALIGNED for example in kind.examples()]
every = pytest.mark.parametrize("window", EXAMPLES, ids=lambda window: f"{window.kind}-{window.shape()}-{window.grace}")
some = settings(max_examples=50, deadline=None)


def times(window: Window) -> st.SearchStrategy[int]:
    """Return times within a few windows of one, and on and beside their edges."""
    found, span = panes(window), 4 * window.longest
    edges = [found.start(k) for k in found.windows_at(BASE - span, BASE + span)]
    near = st.builds(lambda edge, by: edge + by, st.sampled_from(edges), st.integers(-1, 1))
    return st.one_of(near, st.integers(BASE - span, BASE + span))


def around(window: Window) -> range:
    """Return more windows than any instant lies in, around one."""
    found, span = panes(window), 6 * window.longest
    return range(found.starting_from(BASE - span), found.ending_from(BASE + span))


def holding(found: Panes, window: Window, time: int) -> list[int]:
    """Return all windows that contain `time`, by trying them."""
    return [k for k in around(window) if found.start(k) <= time < found.end(k)]


@every
@some
@given(data=st.data())
def test_a_pane_lies_in_exactly_the_windows_that_contain_its_times(window: Window, data: DataObject) -> None:
    """Law: the windows first_of .. last_of of a time's pane are all windows that contain the time, and no other."""
    found, time = panes(window), data.draw(times(window))
    pane = found.pane(time)
    assert list(range(found.first_of(pane), found.last_of(pane) + 1)) == holding(found, window, time)
    assert holding(found, window, time)


@every
def test_the_panes_of_a_window_tile_it(window: Window) -> None:
    """Law: the panes of a window are those of its times, and each names it among its own windows."""
    found = panes(window)
    for k in around(window):
        inside = found.panes_of(k)
        assert (found.pane(found.start(k)), found.pane(found.end(k) - 1)) == (inside[0], inside[-1])
        assert found.pane(found.start(k) - 1) == inside[0] - 1
        assert found.pane(found.end(k)) == inside[-1] + 1
        assert all(found.first_of(pane) <= k <= found.last_of(pane) for pane in inside)
        assert 0 < found.end(k) - found.start(k) <= window.longest


@every
def test_windows_follow_one_another(window: Window) -> None:
    """Law: starts and ends rise with the number, and no instant between two windows is in none."""
    found = panes(window)
    for k in around(window):
        assert found.start(k) < found.start(k + 1) <= found.end(k) < found.end(k + 1)


@every
@some
@given(data=st.data())
def test_open_from_is_the_first_window_whose_end_and_grace_lie_ahead(window: Window, data: DataObject) -> None:
    """Law: a window closes when the watermark reaches its end + grace, not before."""
    found, watermark = panes(window), data.draw(times(window)) + window.grace
    number = found.open_from(watermark)
    assert found.end(number) + window.grace > watermark >= found.end(number - 1) + window.grace
    assert found.closes_at(number) == found.end(number) + window.grace


@every
@some
@given(data=st.data())
def test_the_first_windows_that_start_or_end(window: Window, data: DataObject) -> None:
    """Law: `starting_from` and `ending_from` are the least windows that start, or end, there or later."""
    found, time = panes(window), data.draw(times(window))
    assert found.start(found.starting_from(time)) >= time > found.start(found.starting_from(time) - 1)
    assert found.end(found.ending_from(time)) >= time > found.end(found.ending_from(time) - 1)


@every
@some
@given(data=st.data())
def test_a_row_counts_in_each_of_its_windows_that_is_still_open(window: Window, data: DataObject) -> None:
    """Law: lateness is per window: a row is late only if every window that contains it is closed."""
    found, some_times = panes(window), times(window)
    rows = data.draw(st.lists(st.tuples(some_times, some_times), min_size=1, max_size=10))
    pane = found.pane(np.array([t for t, _ in rows], np.int64))
    first = found.counts_from(pane, np.array([w for _, w in rows], np.int64))
    late = found.late(pane, first)
    for row, (instant, watermark) in enumerate(rows):
        still = [k for k in holding(found, window, instant) if found.end(k) + window.grace > watermark]
        assert late[row] == (not still)
        if still:
            assert list(range(first[row], found.last_of(int(pane[row])) + 1)) == still


@every
@some
@given(data=st.data())
def test_arrays_and_scalars_agree(window: Window, data: DataObject) -> None:
    """Law: every function says the same of an array as of each of its elements, and of one Python's own integers."""
    found, instants = panes(window), data.draw(st.lists(times(window), min_size=1, max_size=10))
    numbers = [found.pane(instant) for instant in instants]
    of_times = (found.pane, found.open_from, found.starting_from, found.ending_from)
    of_numbers = (found.first_of, found.last_of, found.start, found.end)
    for functions, given_ in ((of_times, instants), (of_numbers, numbers)):
        for function in functions:
            assert function(np.array(given_, np.int64)).tolist() == [function(each) for each in given_]
            assert all(type(function(each)) is int for each in given_)


@every
@some
@given(data=st.data())
def test_windows_at_lists_the_windows_that_start_in_a_range(window: Window, data: DataObject) -> None:
    """Law: a range of times names the windows that start in it."""
    found, some_times = panes(window), times(window)
    from_, to = data.draw(some_times), data.draw(some_times)
    assert list(found.windows_at(from_, to)) == [k for k in around(window) if from_ <= found.start(k) < to]
    everything = found.windows_at(NEVER, FOREVER)
    assert everything.start < around(window).start < around(window).stop < everything.stop


@every
def test_before_anything_was_seen_every_window_is_open(window: Window) -> None:
    """Law: the watermark of an input in which nothing was seen closes nothing and does not overflow."""
    found = panes(window)
    pane = found.pane(np.array([1, BASE, 253_402_300_799_999], np.int64))
    first = found.counts_from(pane, np.array([NEVER, NEVER, NEVER], np.int64))
    assert first.tolist() == found.first_of(pane).tolist()


@every
def test_a_window_tells_what_it_is(window: Window) -> None:
    """Law: windows are equal when they say the same; what is kept depends on all but the grace."""
    other = type(window)(**{**vars(window), "grace": window.grace + 1})
    assert type(window)(**vars(window)) == window != other
    assert other.shape() == window.shape()
    assert window.describe().keys() >= {"kind", "grace", "text"}
    assert 0 < window.interval <= window.longest


@pytest.mark.parametrize("name", registry())
def test_every_kind_has_a_constructor(name: str) -> None:
    """Law: Python names the kinds as YAML does, and every option but the first is the constructor's by name."""
    assert name in tables.__all__
    assert registry()[name].options[0].name == name


@pytest.mark.parametrize("watermark", [NEVER, 0, BASE])
def test_without_window_there_is_one_that_never_closes(watermark: int) -> None:
    """A running total has pane 0 and window 0 for every time, and no row is ever late."""
    found = panes(None)
    pane = found.pane(np.array([-5, 0, 10**13], np.int64))
    first = found.counts_from(pane, np.full(3, watermark, np.int64))
    assert pane.tolist() == first.tolist() == [0, 0, 0]
    assert not found.late(pane, first).any()
    assert found.panes_of(0) == range(1)
    assert found.open_from(watermark) == 0
    assert found.closes_at(0) == found.end(0) == FOREVER
    assert not found.windowed
