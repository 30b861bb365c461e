"""How far behind a follower is."""

from __future__ import annotations

from streams.runtime.standing import CLOSE_RECORDS, Behind, Standing


def test_nothing_is_said_before_a_broker_has_said_where_the_log_ends() -> None:
    """Until then it is neither behind nor close."""
    standing = Standing(5)
    assert standing.behind(10.0) is None
    assert not standing.close


def test_records_and_time_behind() -> None:
    """Records are up to the known end; time is since all that was written was there, and it never goes back."""
    standing = Standing(90, end=100)
    standing.at_end(1000.0)
    standing.at_end(999.0)
    assert standing.behind(1000.25) == Behind(10, 250)
    standing.position = 120
    assert standing.behind(999.0) == Behind(0, 0)


def test_close_is_what_a_take_over_reads_at_once() -> None:
    """At the limit it is close, beyond it not."""
    assert Standing(0, end=CLOSE_RECORDS).close
    assert not Standing(0, end=CLOSE_RECORDS + 1).close
