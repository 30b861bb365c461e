"""The garbage collector's settings."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from streams.runtime import collector


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the process as it was."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_a_batch_of_records_does_not_wake_the_collector() -> None:
    """Making a batch's objects starts no collection; what was there before is left alone for good."""
    collector.spare()
    before = [each["collections"] for each in gc.get_stats()]
    batch = [[index] for index in range(40_000)]
    assert [each["collections"] for each in gc.get_stats()] == before
    assert gc.get_freeze_count() > len(batch) // 10
