"""The views over a real reader and a real store."""

from __future__ import annotations

from pathlib import Path

from tables.query import Reader
from tables.records import Record, cell_key
from tables.rocks import RocksStore
from tables.state import State
from tests.streams.views.workers import MINUTE, FakeWorker, Get, ask

START = 1_732_275_600_000


def test_rows_come_out_of_the_store(tmp_path: Path) -> None:
    """What is written to a local store is what the views show, read in a thread."""
    worker = FakeWorker({})
    plan = worker.plan.tables["traffic"]
    state = State({name: aggregate.columns() for name, aggregate in plan.table.aggregates.items()})
    rows = state.allocate(2)
    state.of("requests")["n"][rows] = [5, 6]
    store = RocksStore(tmp_path / "store")
    panes = [START // MINUTE, START // MINUTE + 1]
    keys = [cell_key(pane, pane, b"web-1") for pane in panes]
    store.write([Record(key, value) for key, value in zip(keys, state.encode(rows, 1), strict=True)])
    worker.readers = {"traffic": {0: (Reader(plan.table, store), "running")}}  # type: ignore[dict-item] # not a fake

    async def test(get: Get) -> None:
        _, body, _ = await get("/api/v1/tables/traffic/web-1")
        assert [(each["start"], each["values"]["requests"]) for each in body["data"]["rows"]] == [
            (START, 5),
            (START + MINUTE, 6),
        ]
        _, body, _ = await get("/api/v1/tables/traffic")
        assert [(each["key"], each["end"], each["values"]["requests"]) for each in body["data"]["rows"]] == [
            ({"host": "web-1"}, START + 2 * MINUTE, 6)
        ]
        store.close()
        status, body, _ = await get("/api/v1/tables/traffic/web-1")
        assert (status, "traffic-0" in body["missing_partitions"]) == (503, True)

    ask(test, worker)
