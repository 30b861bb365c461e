"""Windows of a number of rows: their numbers, what is never late, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables import counted
from tables.records import NEVER
from tables.windows.counted import Counted
from tables.windows.filled import OPEN, numbered

SECOND = 1000
NOW = 1_700_000_000_000


def test_a_number_says_when_a_window_was_full() -> None:
    """It is the ms after the greatest event time by then; the next ms has greater numbers, and all are below `OPEN`."""
    found = counted(3).panes()
    number = found.open_from(NOW)
    assert found.end(number) == NOW + 1
    assert found.end(number + 4_095) == NOW + 1
    assert found.open_from(NOW + 1) == number + 4_096
    assert found.closes_at(found.ending_from(NOW)) == NOW
    assert found.open_from(253_402_300_800_000) < OPEN, "the year 9999"


def test_no_row_is_late() -> None:
    """A row counts however far it is behind the watermark."""
    found = counted(3).panes()
    rows = np.array([1, NOW])
    assert found.late(rows, found.counts_from(rows, np.array([NOW, NOW]))).tolist() == [False, False]


def test_numbers_of_a_drawer_are_below_its_end() -> None:
    """A drawer holds the windows that were full in one minute; that of open ones is behind all others."""
    found = counted(3).panes()
    number = found.open_from(59_998)
    assert (found.drawer(number), found.drawer(found.open_from(59_999))) == (0, 1)
    assert found.drawn_to(0) > number
    assert found.drawn_by(number) <= number < found.drawn_by(found.drawn_to(0)) + 1
    assert found.end(found.drawn_to(0)) == 60_000
    assert found.drawer(OPEN) > found.drawer(found.open_from(253_402_300_800_000))


@given(times=st.lists(st.integers(0, 20), min_size=1, max_size=30), after=st.integers(0, 50))
def test_numbers_rise_and_are_no_less_than_asked(times: list[int], after: int) -> None:
    """Each is greater than all before, at least its own least, and the smallest such number."""
    found, last = numbered(np.array(times), after).tolist(), after
    for least, number in zip(times, found, strict=True):
        assert number == max(least, last + 1)
        last = number
    assert numbered(np.array(times), NEVER).tolist()[0] == times[0]


def test_what_is_refused() -> None:
    """A window has rows, and no grace."""
    assert counted(100) == Counted(100)
    assert counted(100).describe()["text"] == "windows of 100 rows of a key"
    assert counted(1).words() == "windows of 1 row of a key"
    with pytest.raises(ValueError, match="at least 1"):
        counted(0)
    with pytest.raises(ValueError, match="no row is late"):
        Counted(3, grace=SECOND)
