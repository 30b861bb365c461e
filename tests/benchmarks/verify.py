"""What a changelog says, read by an independent client, and whether it is what NumPy makes of the same events."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from streams.load import load as load_declaration
from streams.plan import plan
from tables.records import CELL, split_cell_key
from tables.state import State
from tests.benchmarks.workload import WINDOW

NAMES = ("events", "total", "least", "most")
"""The aggregates that are compared: count, sum, min, max."""
Cells = dict[tuple[bytes, int], tuple[float, ...]]
"""(key, window start in ms) -> (count, sum, min, max)."""
SILENT_POLLS = 2
"""Polls without records after the end of the log: the embedded broker names an end that is too low."""


def cells(bootstrap: str, declaration: str, table: str = "load") -> Cells:
    """Return what the cells of a table of ours say, the last record of each.

    Args:
        bootstrap: address of the broker.
        declaration: YAML.
        table: its name; it has at least the aggregate `events`, and its windows are tumbling.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(declaration)
        planned = plan(load_declaration(path)).tables[table]
    last = latest(bootstrap, planned.changelog, lambda key: key[:1] == CELL)
    aggregates = planned.table.aggregates
    state = State({name: aggregate.columns() for name, aggregate in aggregates.items()})
    rows, _ = state.decode(list(last.values()))
    columns = [aggregates[name].result(state.of(name), rows).tolist() for name in NAMES if name in aggregates]
    keys = [(key, pane * WINDOW) for pane, _, key in map(split_cell_key, last)]
    return dict(zip(keys, zip(*columns, strict=True), strict=True))


def latest(
    bootstrap: str,
    topic: str,
    wanted: Callable[[bytes], bool] = bool,
    *,
    keyed: Callable[[bytes, bytes], bytes] | None = None,
) -> dict[bytes, bytes]:
    """Return the last value of each wanted key of a topic; keys whose last record is a tombstone are left out.

    Args:
        bootstrap: address of the broker.
        topic: its name.
        wanted: of a record key.
        keyed: makes the key of key and value; without it the record key is the key.
    """
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    numbers = consumer.partitions_for_topic(topic) or set()
    consumer.assign([TopicPartition(topic, number) for number in numbers])
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(consumer.assignment())
    found: dict[bytes, bytes | None] = {}
    silent = 0
    while silent < SILENT_POLLS or any(consumer.position(tp) < end for tp, end in ends.items()):
        batches = consumer.poll(timeout_ms=1000, max_records=100_000)
        silent = 0 if batches else silent + 1
        for records in batches.values():
            if keyed is None:
                found.update((each.key, each.value) for each in records if wanted(each.key))
            else:
                found.update((keyed(each.key, each.value), each.value) for each in records)
    consumer.close()
    return {key: value for key, value in found.items() if value is not None}


def wrong_cells(found: Cells, expected: Mapping[tuple[bytes, int], tuple[float, ...]]) -> int:
    """Return how many cells differ from the expected ones, are missing, or too many.

    What was found may hold the first few of the expected columns only.
    """
    wrong = len(found.keys() ^ expected.keys())
    return wrong + sum(not _same(found[key], expected[key]) for key in found.keys() & expected.keys())


def _same(found: Iterable[float], expected: Iterable[float]) -> bool:
    pairs = list(zip(found, expected, strict=False))
    sums = pairs[1:2]
    exact = [pair for at, pair in enumerate(pairs) if at != 1]
    return all(a == b for a, b in exact) and all(abs(a - b) <= 1e-9 * max(1.0, abs(b)) for a, b in sums)
