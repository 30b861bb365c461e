"""Writes are no larger than was planned, whatever one more event does to the form of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.streams.test_engine import event, planned
from tests.streams.test_upgrading import Lives

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tables.records import Record

WINDOWS = [
    "{tumbling: 10s, grace: 0s}", "{hopping: 20s, every: 10s, grace: 0s}", "{session: 10s, grace: 0s}",
    "{sliding: 10s, grace: 0s}", "{count: 1000}", "none",
]  # fmt: skip


@pytest.mark.parametrize("life", ["one life", "restored"])
@pytest.mark.parametrize("window", WINDOWS)
def test_one_event_that_widens_all_buckets_is_planned_for(
    window: str, life: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: a write takes no more than the pending bytes, also where the 256th value of a bucket doubles the sketch."""
    plan = planned(f"window: {window},", aggregates="p: 'quantile(0.5, \"v\")'")
    bench = Lives(plan)
    spread = [event(1, v=1.021**bucket) for bucket in range(200)]
    bench.feed(*spread)
    (write,) = bench.feed(*[event(1, v=1.0)] * 254)
    assert 400 < largest(write.records) < 500  # two bytes a bucket
    if life == "restored":
        bench = bench.turn(plan)
    cells, taken, values = bench.table.cells, [], []
    flush = cells.flush

    def checked(n: int) -> Any:
        planned_for, written = cells.pending_bytes, flush(n)
        taken.append((written.size, planned_for))
        values.append(largest(written))
        return written

    monkeypatch.setattr(cells, "flush", checked)
    for _ in range(3):
        bench.feed(event(1, v=1.0))
    assert max(values) > 800  # and now four
    assert all(size <= planned_for for size, planned_for in taken), taken


def largest(records: Iterable[Record]) -> int:
    """Return the bytes of the largest value."""
    return max(len(value or b"") for _, value in records)
