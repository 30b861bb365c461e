"""Tumbling windows: where they start and end, and what is refused."""

from __future__ import annotations

import pytest

from tables import tumbling
from tables.windows import panes
from tables.windows.tumbling import Tumbling

MINUTE = 60_000


def test_starts_are_multiples_since_the_epoch() -> None:
    """An instant belongs to the window that it begins, and not to the one that it ends."""
    found = panes(tumbling("1m"))
    assert [found.pane(time) for time in (0, MINUTE - 1, MINUTE)] == [0, 0, 1]
    assert (found.start(1), found.end(1)) == (MINUTE, 2 * MINUTE)


def test_an_offset_moves_every_start() -> None:
    """Windows of an hour with an offset of 15 minutes go from a quarter past to a quarter past."""
    found = panes(tumbling("1h", offset="15m"))
    assert [found.start(k) for k in (0, 1)] == [15 * MINUTE, 75 * MINUTE]
    assert [found.pane(time) for time in (0, 15 * MINUTE - 1, 15 * MINUTE, 75 * MINUTE)] == [-1, -1, 0, 1]


def test_durations_are_text() -> None:
    """The constructor takes what the file does."""
    assert tumbling("1m", offset="5s", grace="0s") == Tumbling(MINUTE, 5000, grace=0)
    assert tumbling("1m") == Tumbling(MINUTE, 0, grace=10_000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "0s"}, "a window must be longer than 0s"),
        ({"size": "1 minute"}, "'1 minute' is not a duration"),
        ({"size": "1m", "offset": "1m"}, "`offset` must be less than the distance of two starts, 1m, not 1m"),
    ],
)
def test_what_is_refused(options: dict[str, str], message: str) -> None:
    """Windows that hold nothing, and offsets that mean another one, are refused with a remedy."""
    with pytest.raises(ValueError, match=message):
        tumbling(**options)
