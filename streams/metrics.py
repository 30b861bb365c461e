"""/metrics: what a worker says of itself, read from plain numbers when Prometheus scrapes; nothing on the hot path."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from streams.exposed import Exposed
from streams.runtime.partition import State
from tables.bounded import BoundedCells
from tables.records import NEVER
from tables.store import StoreError

if TYPE_CHECKING:
    from streams.rules.life import Live
    from streams.rules.rule import Rule
    from streams.runtime.partition import InputPartition
    from streams.runtime.runtime import Runtime
    from streams.runtime.table import TablePartition

CONTENT_TYPE = CONTENT_TYPE_LATEST
Samples = Sequence[tuple[list[str], float]]
"""Label values and value of each sample of a family."""
MAX_ALERTS = 5_000
"""Most live alerts of one worker that are shown, firing ones first; `streams_alerts_hidden` says when it bit."""
_STATES = (State.RESTORING, State.RUNNING, State.PAUSED, State.FENCED, State.FAILED)

OUTCOMES = ("folded", "skipped", "filtered", "late", "repeated")
"""What becomes of the rows that reach a table."""


class WorkerCollector(Collector):
    """Collects what a worker knows without reading its stores: quick, and only in the event loop.

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
        yield from self._standbys()
        yield from self._batches()
        yield from self._alerts()

    def _inputs(self) -> list[InputPartition]:
        return list(self.runtime.partitions.values())

    def _opened(self) -> Iterator[tuple[InputPartition, TablePartition]]:
        for each in self._inputs():
            for table in each.tables:
                yield each, table

    def _partitions(self) -> Iterator[Metric]:
        states = Counter(each.state for each in self._inputs())
        yield _gauge(
            "streams_partitions", "Input partitions of this worker by state.", ["state"],
            [([state.value], states[state]) for state in _STATES],
        )  # fmt: skip
        yield _gauge(
            "streams_ready", "1 when every partition of this worker is restored and running.", [],
            [([], float(self.runtime.ready()[0]))],
        )  # fmt: skip
        labels = ["topic", "partition"]
        lags, ages = [], []
        for each in self._inputs():
            name = [each.tp.topic, str(each.partition)]
            lag = self.runtime.lag(each)
            if lag is not None:
                lags.append((name, lag))
            ages.append((name, each.commit_age()))
        yield _gauge("streams_lag_records", "Records in the input that are not folded yet.", labels, lags)
        yield _gauge(
            "streams_commit_age_seconds", "Age of the oldest work that is not committed, 0 if all is.", labels, ages
        )
        stats = self.runtime.stats
        yield _counter("streams_rebalances", "Assignments of partitions received.", [], [([], stats.rebalances)])
        yield _counter("streams_partition_failures", "Partitions stopped by an error.", [], [([], stats.failures)])
        lost = "Offsets of inputs that were deleted before they were read."
        yield _counter("streams_deleted_offsets", lost, [], [([], stats.deleted)])

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
            letters += [
                ([",".join(plan.table.sources), name, reason], count) for reason, count in sorted(dead_rows.items())
            ]
        yield _counter("streams_records", "Records read, by what became of them.", ["stream", "outcome"], outcomes)
        yield _counter("streams_record_bytes", "Bytes of the values of records read.", ["stream"], sizes)
        yield _counter(
            "streams_dead_letters", "Dead letters by reason; `table` is empty if no table saw the record.",
            ["stream", "table", "reason"], letters,
        )  # fmt: skip

    def _tables(self) -> Iterator[Metric]:
        rows, late, writes, records, sizes, windows = [], [], [], [], [], []
        for name, stats in self.runtime.table_stats.items():
            rows += [([name, outcome], getattr(stats, outcome)) for outcome in OUTCOMES]
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
        sizes = [([name], len(lookup)) for name, lookup in self.runtime.lookups.items()]
        yield _gauge("streams_lookup_rows", "Rows of a lookup.", ["lookup"], sizes)
        followers = self.runtime.followers.items()
        lags = [([name], float(each.behind)) for name, each in followers if each.behind is not None]
        yield _gauge("streams_lookup_lag_records", "Records of a lookup's topic not read yet.", ["lookup"], lags)
        errors = [([name, *each], count) for name, follower in followers for *each, count in follower.errors()]
        yield _counter("streams_lookup_errors", "Records of a lookup's topic that changed nothing.",
                       ["lookup", "reason"], errors)  # fmt: skip
        labels, cells, marks, restored, left = ["table", "partition"], [], [], [], []
        rates: list[tuple[list[str], float]] = []
        behind: list[tuple[list[str], float]] = []
        for _, table in self._opened():
            name = [table.plan.name, str(table.partition)]
            watermark = table.engine.progress.watermark
            if watermark > NEVER:
                marks.append((name, watermark / 1000))
            cells.append(([*name, "open"], len(table.engine.cells)))
            kept = _kept(table)
            if kept is not None:
                cells.append(([*name, "kept"], kept))
            restored.append((name, table.restoring.records if table.restoring else table.restored))
            if table.restoring is not None and table.restoring.seconds_left is not None:
                left.append((name, table.restoring.seconds_left))
            if table.restoring is not None:
                rates.append((name, table.restoring.rate))
            behind.append((name, float(table.local is not None and table.local.behind)))
        yield _gauge("streams_watermark_timestamp_seconds", "Watermark of the table partition.", labels, marks)
        yield _gauge("streams_cells", "Cells by state: open, or kept for queries.", [*labels, "state"], cells)
        yield from self._memory()
        yield _gauge("streams_restored_records", "Changelog records read by the last restore.", labels, restored)
        yield _gauge("streams_restore_remaining_seconds", "Time that the restore in progress will take.", labels, left)
        yield _gauge("streams_restore_records_per_second", "Speed of the restore in progress.", labels, rates)
        yield _gauge("streams_store_behind", "1 while the local store is filled behind the cells.", labels, behind)

    def _memory(self) -> Iterator[Metric]:
        """Yield what is known of cells that are in the local store only, where memory is bounded."""
        size, labels = self.runtime.memory.size, ["table", "partition"]
        if size is None:
            return
        used: list[tuple[list[str], float]] = []
        cold: list[tuple[list[str], float]] = []
        loaded: list[tuple[list[str], float]] = []
        for _, table in self._opened():
            name, cells = [table.plan.name, str(table.partition)], table.engine.cells
            if isinstance(cells, BoundedCells) and table.share is not None:
                used.append((name, table.share.used))
                cold.append((name, cells.cold))
                loaded.append((name, cells.loaded))
        yield _gauge("streams_state_memory_bytes", "Memory that open cells and caches may take.", [], [([], size)])
        yield _gauge("streams_cells_memory_bytes", "Memory that open cells and their keys take.", labels, used)
        yield _gauge("streams_cells_cold", "Open cells that are in the local store only.", labels, cold)
        yield _counter("streams_cells_loaded", "Cold cells that were read back.", labels, loaded)

    def _standbys(self) -> Iterator[Metric]:
        labels, records, seconds = ["table", "partition"], [], []
        followers = self.runtime.following.followers
        for table in followers:
            behind = None if table.standing is None else table.standing.behind()
            if behind is not None:
                name = [table.plan.name, str(table.partition)]
                records.append((name, float(behind.records)))
                seconds.append((name, behind.ms / 1000))
        states = Counter("ready" if follower.ready else "behind" for follower in followers.values())
        yield _gauge(
            "streams_standby_partitions", "Table partitions that this worker follows, by whether it could take over.",
            ["state"], [([state], states[state]) for state in ("ready", "behind")],
        )  # fmt: skip
        yield _gauge("streams_standby_lag_records", "Changelog records that a follower lacks.", labels, records)
        yield _gauge("streams_standby_lag_seconds", "Age of what a follower has.", labels, seconds)
        taken: Samples = [([], self.runtime.stats.promotions)]
        yield _counter("streams_promotions", "Table partitions taken over from a follower in this worker.", [], taken)

    def _batches(self) -> Iterator[Metric]:
        stats = self.runtime.stats
        for name, text, histogram in (
            ("streams_batch_records", "Records per batch.", stats.batch_records),
            ("streams_batch_duration_seconds", "Time from decoding a batch to its release.", stats.batch_seconds),
        ):
            yield HistogramMetricFamily(name, text, buckets=histogram.buckets(), sum_value=histogram.total)

    def _alerts(self) -> Iterator[Metric]:
        """Yield the live alerts; they differ in their label names, so each is a sample of its own."""
        metric = Metric("streams_alerts", "Live alerts, as Prometheus' ALERTS.", "gauge")
        rules = [rule for each, table in self._opened() if each.answers for rule in table.engine.judge.rules]
        alerts = ((rule, live) for state in ("firing", "pending") for rule in rules for live in _in_state(rule, state))
        shown = set()
        for rule, live in islice(alerts, MAX_ALERTS):
            labels = {**live.labels, "alertname": rule.plan.alert.alert, "alertstate": live.state}
            if (identity := frozenset(labels.items())) not in shown:  # two rules may make the same alert
                shown.add(identity)
                metric.add_sample("streams_alerts", labels, 1)
        yield metric
        hidden = max(0, sum(len(rule.live) for rule in rules) - MAX_ALERTS)
        yield _gauge("streams_alerts_hidden", "Live alerts that are not shown: too many.", [], [([], hidden)])

    def exposed(self) -> list[Exposed]:
        """Return the tables that expose columns, ready to be read in a thread."""
        plans = [plan for plan in self.runtime.plan.tables.values() if plan.table.expose]
        return [
            Exposed(
                plan,
                [part.reader for each, part in self._opened() if part.plan is plan and each.answers and part.reader],
            )
            for plan in plans
        ]


class _Collected(Collector):
    """What was collected in the event loop, and what is read outside of it."""

    def __init__(self, families: Iterable[Metric], exposed: Iterable[Exposed]) -> None:
        self._families, self._exposed = families, exposed

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family of the worker; blocking."""
        yield from self._families
        truncated = []
        for table in self._exposed:
            rows, cut_off = table.read()
            truncated.append(([table.plan.name], cut_off))
            for column, samples in table.samples(rows).items():
                text = f"{column} of {table.plan.name} in the latest closed window."
                yield _gauge(f"streams_table_{table.plan.name}_{column}", text, table.labels, samples)
        yield _gauge(
            "streams_exposed_truncated_partitions", "Partitions whose exposed rows were cut off: too many keys.",
            ["table"], truncated,
        )  # fmt: skip


def _in_state(rule: Rule, state: str) -> Iterator[Live]:
    return (live for live in rule.live.values() if live.state == state)


def _kept(table: TablePartition) -> int | None:
    """Return about how many cells are in the store only; None where there is no store now."""
    try:
        records = None if table.store is None else table.store.estimated_records()
    except StoreError:
        return None
    return None if records is None else max(0, records - len(table.engine.cells))


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


async def exposition(runtime: Runtime, version: str) -> bytes:
    """Return the worker's metrics in Prometheus' text format; stores are read, and text is made, in a thread."""
    worker = WorkerCollector(runtime, version)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(list(worker.collect()), worker.exposed()))
    ProcessCollector(registry=registry)
    return await asyncio.to_thread(generate_latest, registry)
