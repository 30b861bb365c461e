"""Sliding windows: their ends, what is late for all of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tables import sliding
from tables.windows.sliding import Sliding

SECOND = 1000


def test_a_row_counts_in_windows_that_end_within_the_size() -> None:
    """The number of a window is the ms after it: the first that holds a row ends with it, the last begins with it."""
    found = sliding("10s").panes()
    assert (found.first_of(5 * SECOND), found.last_of(5 * SECOND)) == (5 * SECOND + 1, 15 * SECOND + 1)
    assert found.pane(5 * SECOND) == 5 * SECOND


def test_a_window_closes_when_the_watermark_reaches_its_end_and_grace() -> None:
    """One that ends with 15 s, included, and has 2 s of grace is open at 17.000 s, and closed at 17.001 s."""
    found = sliding("10s", grace="2s").panes()
    end = 15 * SECOND + 1
    assert found.closes_at(end) == 17 * SECOND + 1
    assert (found.open_from(17 * SECOND) <= end, found.open_from(17 * SECOND + 1) <= end) == (True, False)


def test_late_is_a_row_of_which_all_windows_are_closed() -> None:
    """With 10 s and no grace, a row 10 s behind the watermark is in time, and one a ms more late."""
    found = sliding("10s", grace="0s").panes()
    rows = np.array([20 * SECOND, 20 * SECOND - 1])
    counts_from = found.counts_from(rows, np.array([30 * SECOND, 30 * SECOND]))
    assert found.late(rows, counts_from).tolist() == [False, True]


def test_a_drawer_reaches_over_the_windows_that_begin_after_its_rows() -> None:
    """The window that begins 1 ms after the last row of a drawer is numbered below the drawer's end."""
    found = sliding("10s").panes()
    assert found.drawn_to(0) > 59_999 + 1 + 10 * SECOND + 1 - 1
    assert found.drawn_to(found.drawer(60_000)) - found.drawn_to(found.drawer(59_999)) == 60_000


def test_durations_are_text_and_the_size_is_longer_than_nothing() -> None:
    """The constructor takes what the file does."""
    assert sliding("1m", grace="0s") == Sliding(60 * SECOND, grace=0)
    with pytest.raises(ValueError, match="longer than 0s"):
        sliding("0s")
