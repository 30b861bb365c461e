"""The restore benchmark, in small: what it measures is right."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.benchmarks.restore import Size, fill, restore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.brokers import KafkaCluster


@pytest.mark.kafka
def test_every_cell_is_restored_and_every_store_is_filled(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Two partitions with empty stores have all cells, with all their events, and stores that are whole."""
    app, size = f"r{uuid4().hex[:8]}", Size(partitions=2, keys=300, windows=3)
    asyncio.run(fill(kafka.bootstrap, app, size))
    figures = asyncio.run(restore(kafka.bootstrap, app, size, tmp_path))
    assert (figures["cells"], figures["right"]) == (size.cells, True)
