"""How long what is folded waits for its write."""

from __future__ import annotations

import pytest

from streams.runtime.holding import FAR, LATER, SOON, Hold


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        """Return them."""
        return self.now


def test_what_is_folded_waits_for_a_moment_and_no_longer() -> None:
    """From the first that is held on; what is folded meanwhile does not let it begin anew."""
    clock = Clock()
    hold = Hold(clock)
    assert hold.may(10, 10)
    hold.note(held=True)
    clock.now += SOON / 2
    assert hold.may(10, 10)
    hold.note(held=True)
    assert hold.left(5.0) == pytest.approx(SOON / 2)
    clock.now += SOON
    assert not hold.may(10, 10)
    assert hold.left(5.0) == 0.0


def test_what_is_written_is_not_waited_for() -> None:
    """After a write the time begins with what is folded next."""
    clock = Clock()
    hold = Hold(clock)
    hold.note(held=True)
    clock.now += 2 * SOON
    hold.note(held=False)
    assert hold.left(5.0) == 5.0
    assert hold.may(10, 10)


def test_an_input_that_is_far_behind_waits_longer() -> None:
    """What others would read is older than that anyhow; near its end it is told soon again."""
    clock = Clock()
    hold = Hold(clock)
    hold.note(held=True)
    clock.now += LATER * 0.9
    assert hold.may(FAR * 10 + 1, 10)
    assert not hold.may(FAR * 10, 10)
    clock.now += LATER
    assert not hold.may(1_000_000, 10)
