"""What each stage of the hot path costs by itself, without Faust and without a broker: us per event."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from aiokafka.consumer.fetcher import READ_UNCOMMITTED

from streams import fast
from streams.engine import StreamEngine, TableEngine
from streams.load import load
from streams.plan import plan
from streams.runtime import collector
from streams.transport import batches, reading, wire
from streams.transport.answers import Answer
from tables.deferred import DeferredStore
from tables.rocks import RocksStore
from tests.benchmarks.declarations import Declared, declaration
from tests.benchmarks.measured import RunFailed
from tests.benchmarks.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.planned import StreamPlan

_PART = SimpleNamespace(_isolation_level=READ_UNCOMMITTED)
FETCH_BATCHES = 10


def measure(workload: Workload, declared: Declared | None = None) -> dict[str, float]:
    """Return us per event by stage, over the first partition of a workload, whose table is `declared`."""
    answers = list(_answers(workload))
    fast.load()
    collector.spare()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(declaration("bench", declared=declared or Declared()))
        stages = Stages(plan(load(path)).streams["events"], Path(folder) / "store")
        for answer in answers:
            asyncio.run(stages.work(answer))
        stages.store.close()
    if stages.folded != stages.position:
        raise RunFailed(f"{stages.folded:,} of {stages.position:,} events were folded")
    return {name: seconds / stages.position * 1e6 for name, seconds in stages.spent.items()}


def _answers(workload: Workload) -> Iterator[bytes]:
    """Yield what one fetch brings: several record batches, at the offsets that a broker would give them."""
    batches, offset = workload.batches(0, int(time.time() * 1000)), 0
    while part := list(islice(batches, FETCH_BATCHES)):
        answer = b""
        for batch in part:
            answer += offset.to_bytes(8, "big") + batch[8:]
            offset += int.from_bytes(batch[57:61], "big")
        yield answer


class Stages:
    """The hot path of one partition, with a clock between its stages.

    Args:
        stream: the plan of the workload's stream.
        folder: for the local store.
    """

    def __init__(self, stream: StreamPlan, folder: Path) -> None:
        """Open an empty partition."""
        self.spent: Counter[str] = Counter()
        self.position = 0
        self.store = DeferredStore(RocksStore(folder), time.monotonic)
        self._engine, self._table = StreamEngine(stream, 0), TableEngine(stream.tables[0], 0)
        self._table.load(self.store)
        self._offset = 0
        self._clock = time.process_time()

    @property
    def folded(self) -> int:
        """Events that the table has counted."""
        return self._table.stats.folded

    def _lap(self, stage: str) -> None:
        now = time.process_time()
        self.spent[stage] += now - self._clock
        self._clock = time.process_time()

    async def work(self, answer: bytes) -> None:
        """Take one fetch answer through all stages."""
        self._clock = time.process_time()
        found = wire.walk(_PART, Answer(answer, self.position), len(answer), len(answer), 0)
        self._lap("checksum")
        records = reading.read(found, self.position)
        self.position = found.position
        self._lap("records")
        decoded, _ = self._engine.decode(records)
        self._lap("decode")
        for write in self._table.fold(decoded):
            self._lap("fold and encode")
            if write.records:
                await batches.build(write.records, 1)
                self._lap("changelog batch")
                self._offset += len(write.records)
                self.store.write(write.records, self._offset)
                self._lap("store")
        self._lap("fold and encode")
