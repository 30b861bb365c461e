"""Hopping windows against a brute-force oracle over any size, distance and offset, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables import hopping
from tables.windows import panes
from tables.windows.hopping import Hopping

windows = st.builds(
    lambda size, every, offset, grace: Hopping(size, offset % min(every, size), every=min(every, size), grace=grace),
    *(st.integers(1, 60), st.integers(1, 60), st.integers(0, 60), st.integers(0, 40)),
)
times = st.integers(-500, 500)


@given(windows, times)
def test_windows_start_at_each_every_after_the_offset(window: Hopping, time: int) -> None:
    """The windows of an instant are those `[offset + k * every, offset + k * every + size)` that contain it."""
    found = panes(window)
    starts = {window.offset + k * window.every for k in range(-600, 600)}
    want = sorted(start for start in starts if start <= time < start + window.size)
    pane = found.pane(time)
    assert [found.start(k) for k in range(found.first_of(pane), found.last_of(pane) + 1)] == want
    assert all(found.end(k) - found.start(k) == window.size for k in range(-5, 5))


def test_durations_are_text() -> None:
    """The constructor takes what the file does."""
    assert hopping("5m", every="30s", offset="7s", grace="0s") == Hopping(300_000, 7000, every=30_000, grace=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "1m", "every": "0s"}, "`every` must be more than 0s"),
        ({"size": "1m", "every": "2m"}, "rows fall between windows"),
        ({"size": "5m", "every": "1m", "offset": "90s"}, "`offset` must be less than the distance of two starts, 1m"),
    ],
)
def test_what_is_refused(options: dict[str, str], message: str) -> None:
    """Windows that leave gaps, and offsets that mean another one, are refused with a remedy."""
    with pytest.raises(ValueError, match=message):
        hopping(**options)
