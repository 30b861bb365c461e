"""The engine of one input partition: fetched records in, decoded rows with event time out, bad records apart. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams import reasons
from streams.effects import Batch, Event, Seen
from streams.event_time import event_time
from streams.letters import letter, lost_letter
from streams.lookup import Lookup
from streams.stats import StreamStats
from streams.table_engine import TableEngine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from streams.codecs.base import Decoded
    from streams.effects import Records
    from streams.planned import StreamPlan
    from tables.columns import Column

__all__ = ["StreamEngine", "TableEngine"]
_NOTHING = Lookup()


class StreamEngine:
    """Decodes one input partition, once for all tables that read it.

    Args:
        plan: of the stream.
        partition: number of the input partition.
        lookups: by name; where one is missing, it has no rows.
        ahead: whether event time is checked against the records' Kafka timestamps (`max_ahead`); not over files.
    """

    def __init__(
        self, plan: StreamPlan, partition: int, *, lookups: Mapping[str, Lookup] | None = None, ahead: bool = True
    ) -> None:
        """Compile the codec for the fields that are used."""
        self.plan, self.partition = plan, partition
        self.origin = f"{plan.stream.topic}-{partition}"
        self.stats = StreamStats()
        self._decoder = plan.codec.compile(plan.fields)
        self._lookups = {name: (lookups or {}).get(name, _NOTHING) for name in plan.joins}
        self._ahead = plan.stream.max_ahead if ahead else None

    @property
    def wants_keys(self) -> bool:
        """Whether `Records.keys` must be filled in, because the codec reads fields from record keys."""
        return self._decoder.wants_keys

    def decode(self, records: Records) -> tuple[Batch, list[Event]]:
        """Return the rows that tables may fold, and the dead letters.

        The dead letters are sent, and acknowledged, before any table's write: what a table has folded is not read
        again after a restart, and neither are the bad records among it.
        """
        decoded = self._decoder.decode(records.values, records.all_keys() if self.wants_keys else None)
        rows = np.arange(len(records)) if decoded.good is None else decoded.good
        bad = [(each.index, each.reason, each.message) for each in decoded.bad]
        time, columns = self._timed(records, decoded, rows, bad)
        if len(time) < len(rows):
            rows = np.setdiff1d(rows, [index for index, _, _ in bad], assume_unique=True)
        self.stats.records += len(records) + sum(each.count for each in records.lost)
        self.stats.bytes += records.size()
        return self._batch(records, rows, time, columns), [*self._lost(records), *self._letters(records, bad)]

    def _timed(
        self, records: Records, decoded: Decoded, rows: NDArray[np.intp], bad: list[tuple[int, str, str]]
    ) -> tuple[NDArray[np.int64], dict[str, Column]]:
        """Return event time and columns of the rows that have one, and add the others to `bad`."""
        field, columns = self.plan.stream.time, decoded.columns
        timestamps = records.timestamps if decoded.good is None else records.timestamps[rows]
        column = columns[field.field] if field else None
        time, wrong = event_time(column, field.unit if field else None, timestamps, self._ahead)
        if not wrong:
            return time, columns
        bad += [(int(rows[index]), reason, message) for index, reason, message in wrong]
        good = np.delete(np.arange(len(rows)), [index for index, _, _ in wrong])
        return time[good], {name: each.take(good) for name, each in columns.items()}

    def _batch(
        self, records: Records, rows: NDArray[np.intp], time: NDArray[np.int64], columns: dict[str, Column]
    ) -> Batch:
        offset, n = records.offsets if len(rows) == len(records) else records.offsets[rows], len(rows)
        columns = dict(columns)
        for name, fields in self.plan.joins.items():
            found = self._lookups[name].join(columns[self.plan.stream.join[name]], fields)
            columns |= {f"{name}.{field}": column for field, column in found.items()}
        for name, expression in self.plan.derive.items():
            columns[name] = expression.evaluate(columns, n)
        batch = Batch(self.origin, records.lo, records.hi, rows, columns, time, offset, source=records)
        return batch if self.plan.where is None else self._filtered(batch, self.plan.where.holds(columns, n))

    def _filtered(self, batch: Batch, holds: NDArray[np.bool_]) -> Batch:
        kept = np.flatnonzero(holds)
        self.stats.filtered += len(holds) - len(kept)
        if len(kept) == len(holds):
            return batch
        batch.seen = Seen(batch.offset, batch.time, kept)
        batch.columns = {name: column.take(kept) for name, column in batch.columns.items()}
        batch.rows, batch.time, batch.offset = batch.rows[kept], batch.time[kept], batch.offset[kept]
        return batch

    def _lost(self, records: Records) -> list[Event]:
        """Return one letter for each record batch that was left out; what it counts are its records."""
        letters = []
        for each in records.lost:
            self.stats.dead[reasons.BATCH_TOO_LARGE] += each.count
            letters.append(lost_letter(each, self.plan.dead_letters, self.plan.stream.topic, self.partition))
        return letters

    def _letters(self, records: Records, bad: Iterable[tuple[int, str, str]]) -> list[Event]:
        letters = []
        for index, reason, message in sorted(bad):
            self.stats.dead[reason] += 1
            letters.append(
                letter(
                    records,
                    index,
                    to=self.plan.dead_letters,
                    topic=self.plan.stream.topic,
                    partition=self.partition,
                    reason=reason,
                    message=message,
                )
            )
        return letters
