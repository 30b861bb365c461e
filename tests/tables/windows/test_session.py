"""Sessions: their ends, what is late for one, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tables import session
from tables.windows.session import Session

SECOND = 1000


def test_a_session_ends_a_ms_after_the_gap() -> None:
    """The number of a session is its end: a row that is the gap later than the last one joins it, a ms later not."""
    found = session("10s").panes()
    assert found.end(found.last_of(5 * SECOND)) == 15 * SECOND + 1
    assert found.pane(5 * SECOND) == 5 * SECOND


def test_a_session_closes_when_the_watermark_reaches_its_end_and_grace() -> None:
    """One that ends with 15.001 s and has 2 s of grace is open at 17.000 s, and closed at 17.001 s."""
    found = session("10s", grace="2s").panes()
    end = found.last_of(5 * SECOND)
    assert found.closes_at(end) == 17 * SECOND + 1
    assert (found.open_from(17 * SECOND) <= end, found.open_from(17 * SECOND + 1) <= end) == (True, False)


def test_late_is_a_row_whose_own_session_would_be_closed() -> None:
    """With a gap of 10 s and no grace, a row 10 s behind the watermark is in time, and one a ms more late."""
    found = session("10s", grace="0s").panes()
    rows = np.array([20 * SECOND, 20 * SECOND - 1])
    counts_from = found.counts_from(rows, np.array([30 * SECOND, 30 * SECOND]))
    assert found.late(rows, counts_from).tolist() == [False, True]


def test_drawers_hold_at_least_a_minute() -> None:
    """Cells that end within the gap, or a minute, lie together; all of their windows end before the drawer does."""
    short, long = session("10s").panes(), session("1h").panes()
    assert [short.drawer(at * SECOND) for at in (0, 59, 60)] == [0, 0, 1]
    assert [long.drawer(at * SECOND) for at in (0, 3600, 3601)] == [0, 0, 1]
    assert short.drawn_to(0) > short.last_of(59_999)


def test_durations_are_text_and_the_gap_is_longer_than_nothing() -> None:
    """The constructor takes what the file does."""
    assert session("1m", grace="0s") == Session(60 * SECOND, grace=0)
    with pytest.raises(ValueError, match="longer than 0s"):
        session("0s")
