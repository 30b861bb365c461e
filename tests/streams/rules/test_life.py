"""The life of one alert, against Prometheus' rules for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.rules.life import Live, due, matured, missed


def pending(at: int = 100) -> Live:
    """Return an alert that became active at this ms."""
    return Live(at, {"alertname": "A"})


def firing(at: int = 100, missed_at: int | None = None) -> Live:
    """Return an alert that fires since this ms."""
    return Live(at, {"alertname": "A"}, fired_at=at, missed_at=missed_at)


def test_without_for_it_fires_at_once() -> None:
    """`for` 0 fires in the evaluation in which the condition first holds."""
    assert matured(pending(), 100, 0, 100).fired_at == 100


def test_it_fires_when_for_has_passed() -> None:
    """It fires in the first evaluation that is `for` or more after activeAt, and not before."""
    assert matured(pending(), 129, 30, 129).state == "pending"
    assert matured(pending(), 130, 30, 130).state == "firing"


def test_a_pending_alert_that_misses_is_forgotten() -> None:
    """A pending alert that does not hold once is gone, whatever keep_firing_for says."""
    assert missed(pending(), 110, 1000) is None


def test_a_firing_alert_that_misses_is_resolved() -> None:
    """Without keep_firing_for the first miss ends it."""
    assert missed(firing(), 110, 0) is None


def test_keep_firing_for_counts_from_the_first_miss() -> None:
    """It goes on firing while less than keep_firing_for has passed since the first miss."""
    after = missed(firing(), 110, 20)
    assert after is not None
    assert after.missed_at == 110
    assert missed(after, 129, 20) == after
    assert missed(after, 130, 20) is None


def test_firing_is_not_moved_by_holding_on() -> None:
    """An alert that fires already keeps the time at which it began to."""
    assert matured(firing(100), 500, 30, 500).fired_at == 100


def test_due_says_when_time_alone_ends_it() -> None:
    """Only an alert that is missing waits for a time; any other changes at the next judgement without a row."""
    assert due(pending(), 20) is None
    assert due(firing(), 20) is None
    assert due(firing(missed_at=110), 20) == 130


@given(
    st.builds(
        Live,
        active_at=st.integers(0, 1 << 45),
        labels=st.dictionaries(st.text(), st.text(), max_size=3),
        values=st.dictionaries(st.text(), st.none() | st.integers(-9, 9) | st.text() | st.booleans(), max_size=3),
        value=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        window=st.integers(),
        fired_at=st.none() | st.integers(0, 1 << 45),
        missed_at=st.none() | st.integers(0, 1 << 45),
    )
)
def test_the_record_gives_the_alert_back(live: Live) -> None:
    """What is written to the changelog reads back as the same alert."""
    assert Live.decode(live.encode()) == live
