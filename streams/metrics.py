"""/metrics: what a worker says of itself, read from plain numbers when Prometheus scrapes; nothing on the hot path."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from tables.keys import key_values
from tables.query import Page
from tables.records import NEVER

if TYPE_CHECKING:
    from streams.runtime.partition import InputPartition
    from streams.runtime.runtime import Runtime
    from streams.runtime.table import TablePartition

CONTENT_TYPE = CONTENT_TYPE_LATEST
Samples = Sequence[tuple[list[str], float]]
"""Label values and value of each sample of a family."""
MAX_SERIES = 1000
"""Most series of one exposed column and worker; `streams_exposed_truncated_partitions` says when it bit."""


class WorkerCollector(Collector):
    """Collects the metrics of one worker.

    Args:
        runtime: of the worker.
        version: of the package.
    """

    def __init__(self, runtime: Runtime, version: str) -> None:
        self.runtime, self.version = runtime, version

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family of the worker."""
        yield _gauge("streams_build_info", "Always 1; the version is in the label.", ["version"], [([self.version], 1)])
        yield from self._partitions()
        yield from self._records()
        yield from self._tables()
        yield from self._batches()
        yield self._alerts()
        yield from self._exposed()

    def _inputs(self) -> list[InputPartition]:
        return list(self.runtime.partitions.values())

    def _opened(self) -> Iterator[tuple[InputPartition, TablePartition]]:
        for each in self._inputs():
            for table in each.tables:
                yield each, table

    def _partitions(self) -> Iterator[Metric]:
        states = Counter(each.state.value for each in self._inputs())
        yield _gauge(
            "streams_partitions", "Input partitions of this worker by state.", ["state"],
            [([state], states.get(state, 0)) for state in ("restoring", "running", "paused", "fenced", "failed")],
        )  # fmt: skip
        yield _gauge(
            "streams_ready", "1 when every partition of this worker is restored and running.", [],
            [([], float(self.runtime.ready()[0]))],
        )  # fmt: skip
        labels = ["topic", "partition"]
        lags, ages, now = [], [], time.time()
        for each in self._inputs():
            name = [each.tp.topic, str(each.partition)]
            lag = self.runtime.lag(each)
            if lag is not None:
                lags.append((name, lag))
            ages.append((name, now - each.committed_at))
        yield _gauge("streams_lag_records", "Records in the input that are not folded yet.", labels, lags)
        yield _gauge(
            "streams_commit_age_seconds", "Time since all that was done in the partition was committed.", labels, ages
        )
        stats = self.runtime.stats
        yield _counter("streams_rebalances", "Assignments of partitions received.", [], [([], stats.rebalances)])
        yield _counter("streams_partition_failures", "Partitions stopped by an error.", [], [([], stats.failures)])

    def _records(self) -> Iterator[Metric]:
        outcomes, letters, sizes = [], [], []
        for name, stats in self.runtime.stream_stats.items():
            dead = sum(stats.dead.values())
            good = stats.records - dead - stats.filtered
            for outcome, count in (("accepted", good), ("filtered", stats.filtered), ("dead_letter", dead)):
                outcomes.append(([name, outcome], count))
            sizes.append(([name], stats.bytes))
            letters += [([name, "", reason], count) for reason, count in sorted(stats.dead.items())]
        for name, plan in self.runtime.plan.tables.items():
            dead_rows = self.runtime.table_stats[name].dead
            letters += [([plan.stream, name, reason], count) for reason, count in sorted(dead_rows.items())]
        yield _counter("streams_records", "Records read, by what became of them.", ["stream", "outcome"], outcomes)
        yield _counter("streams_record_bytes", "Bytes of the values of records read.", ["stream"], sizes)
        yield _counter(
            "streams_dead_letters", "Dead letters by reason; `table` is empty if no table saw the record.",
            ["stream", "table", "reason"], letters,
        )  # fmt: skip

    def _tables(self) -> Iterator[Metric]:
        rows, late, writes, records, sizes, windows = [], [], [], [], [], []
        for name, stats in self.runtime.table_stats.items():
            rows += [
                ([name, outcome], getattr(stats, outcome)) for outcome in ("folded", "skipped", "filtered", "late")
            ]
            late.append(([name], stats.late))
            writes.append(([name], stats.writes))
            records.append(([name], stats.records))
            sizes.append(([name], stats.bytes))
            windows.append(([name], stats.closed))
        yield _counter("streams_table_rows", "Rows that reached a table, by outcome.", ["table", "outcome"], rows)
        yield _counter("streams_late_records", "Rows late for all their windows.", ["table"], late)
        yield _counter("streams_changelog_writes", "Changelog writes, one record batch each.", ["table"], writes)
        yield _counter("streams_changelog_records", "Changelog records written.", ["table"], records)
        yield _counter("streams_changelog_bytes", "Bytes of keys and values of those records.", ["table"], sizes)
        yield _counter("streams_windows_closed", "Windows that were closed and held a row.", ["table"], windows)
        yield from self._state()

    def _state(self) -> Iterator[Metric]:
        labels, cells, marks, restored, left = ["table", "partition"], [], [], [], []
        for _, table in self._opened():
            name = [table.plan.name, str(table.partition)]
            watermark = table.engine.progress.watermark
            if watermark > NEVER:
                marks.append((name, watermark / 1000))
            cells.append(([*name, "open"], len(table.engine.cells)))
            if table.store is not None:
                cells.append(([*name, "kept"], max(0, table.store.estimated_records() - len(table.engine.cells))))
            restored.append((name, table.restoring.records if table.restoring else table.restored))
            if table.restoring is not None and table.restoring.seconds_left is not None:
                left.append((name, table.restoring.seconds_left))
        yield _gauge("streams_watermark_timestamp_seconds", "Watermark of the table partition.", labels, marks)
        yield _gauge("streams_cells", "Cells by state: open, or kept for queries.", [*labels, "state"], cells)
        yield _gauge("streams_restored_records", "Changelog records read by the last restore.", labels, restored)
        yield _gauge("streams_restore_remaining_seconds", "Time that the restore in progress will take.", labels, left)

    def _batches(self) -> Iterator[Metric]:
        stats = self.runtime.stats
        for name, text, histogram in (
            ("streams_batch_records", "Records per batch.", stats.batch_records),
            ("streams_batch_duration_seconds", "Time from decoding a batch to its release.", stats.batch_seconds),
        ):
            yield HistogramMetricFamily(name, text, buckets=histogram.buckets(), sum_value=histogram.total)

    def _alerts(self) -> Metric:
        """Alerts differ in their label names, so each is a sample of its own."""
        metric = Metric("streams_alerts", "Live alerts, as Prometheus' ALERTS.", "gauge")
        for _, table in self._opened():
            for alert in table.engine.alerts():
                labels = {**alert.labels, "alertname": alert.name, "alertstate": alert.state}
                metric.add_sample("streams_alerts", labels, 1)
        return metric

    def _exposed(self) -> Iterator[Metric]:
        dropped = []
        for plan in self.runtime.plan.tables.values():
            if not plan.table.expose:
                continue
            readers = [table for _, table in self._opened() if table.plan.name == plan.name and table.reader]
            families, left_out = _exposed_columns(plan.name, plan.table.expose, plan.key_labels, readers)
            yield from families
            dropped.append(([plan.name], left_out))
        yield _gauge(
            "streams_exposed_truncated_partitions", "Partitions whose exposed rows were cut off: too many keys.",
            ["table"], dropped,
        )  # fmt: skip


def _exposed_columns(
    name: str, columns: tuple[str, ...], key_labels: tuple[tuple[str, str], ...], tables: Iterable[TablePartition]
) -> tuple[list[Metric], int]:
    """Return a family per exposed column with the rows of the latest closed window, and how many partitions were cut."""
    labels = [label for label, _ in key_labels]
    families = {
        column: GaugeMetricFamily(
            f"streams_table_{name}_{column}", f"{column} of {name} in the latest closed window.", labels=labels
        )
        for column in columns
    }
    room, left_out = MAX_SERIES, 0
    for table in tables:
        page = _latest_closed(table, room)
        left_out += page.after is not None
        room -= len(page.rows)
        for row in page.rows:
            key = [str(part) for part in key_values(row.key, len(labels))]
            for column, family in families.items():
                value = row.values.get(column)
                if isinstance(value, int | float):
                    family.add_metric(key, float(value))
    return list(families.values()), left_out


def _latest_closed(table: TablePartition, room: int) -> Page:
    """Return at most `room` rows of the latest closed window that has any; of a table without window, its totals."""
    reader = table.reader
    if reader is None:
        return Page([], None)
    if table.plan.table.window is None:
        return reader.latest(limit=max(room, 1))
    judged = table.engine.progress.judged[0]
    closed = [number for number in reader.windows() if number < judged]
    return reader.window(max(closed), limit=max(room, 1)) if closed else Page([], None)


def _gauge(name: str, text: str, labels: list[str], values: Samples) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def _counter(name: str, text: str, labels: list[str], values: Samples) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def exposition(runtime: Runtime, version: str) -> bytes:
    """Return the worker's metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WorkerCollector(runtime, version))
    return generate_latest(registry)
