"""Workers that are killed in the middle of a backlog."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.brokers import KafkaCluster
from tests.crash.backlog import run

EVENTS = 1_000_000


@pytest.mark.kafka
def test_a_restart_in_the_middle_gives_tables_equal_to_the_recount(
    own_kafka: Callable[..., KafkaCluster], tmp_path: Path
) -> None:
    """All workers are killed while they fold at full speed: the table is the one that NumPy finds in the arrays."""
    left = run(own_kafka().bootstrap, tmp_path, EVENTS, kills=1, seed=5)
    assert (left.counted, left.unequal) == (EVENTS, 0)
    assert left.rows > 0
    (killed_at,) = left.killed_at
    assert 0 < killed_at < EVENTS, "the kill must be in the middle"
