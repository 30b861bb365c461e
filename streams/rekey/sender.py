"""The sending end of a re-key: a decoded batch in, one block (or several) for every destination partition out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.arrivals import Arrivals, running, unread, wanted
from streams.effects import Event
from streams.refusals import LARGE, Refusals
from streams.rekey.blocks import VERSION, Block, empty
from streams.rekey.packing import Compactor, PackedColumn, Packer, pack, pack_rising
from streams.rekey.placing import Places
from streams.stats import TableStats
from tables.keys import Codes
from tables.records import NEVER

if TYPE_CHECKING:
    from streams.effects import Batch
    from streams.planned import TablePlan

MARGIN = 1024
"""Bytes of a topic's `max.message.bytes` that are left for what Kafka adds to a block."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a batch comes to; all of it is acknowledged before the batch's range is released.

    Args:
        blocks: one or more for every destination partition, in order.
        letters: dead letters.
    """

    blocks: list[Event]
    letters: list[Event]


class Sender:
    """Sends the rows of one input partition to where their keys of one table live.

    Its running watermark starts from nothing, so that rows which are sent again after a restart are not later than they
    were; the receiver knows the true one.

    Args:
        plan: of the table.
        origin: the input partition, `topic-partition`.
        partitions: of the repartition topic.
        limit: its `max.message.bytes`.

    Attributes:
        stats: what it counts.
        watermark: the greatest event time that it has seen, ms.
        places: key codes and their destinations.
        compactor: for the dictionaries of its blocks.
        limit: most bytes of a block.
        wires: of the columns that a block holds.
    """

    def __init__(self, plan: TablePlan, origin: str, partitions: int, limit: int) -> None:
        self.plan, self.origin, self.partitions = plan, origin, partitions
        self.stats = TableStats()
        self.limit = limit - MARGIN
        self.watermark = NEVER
        self._refusals = Refusals(self)
        self.places = Places(partitions)
        self.compactor = Compactor()
        self.wires = wires(plan)

    def send(self, batch: Batch) -> Sent:
        """Return a batch's blocks and dead letters."""
        greatest, self.watermark = running(batch, NEVER, self.watermark)
        letters: list[Event] = []
        rows = unread(batch, NEVER, self.plan.needs, greatest)
        if len(rows):
            rows = self._keyed(batch, wanted(rows, self.plan, self.stats), letters)
        parcel = _Parcel(self, batch, rows)
        blocks = [event for place in range(self.partitions) for event in parcel.blocks(place)]
        letters += self._refusals.refused(batch, parcel.large())
        return Sent(blocks, letters)

    def idle(self, at: int) -> list[Event]:
        """Return the blocks that tell every destination that the origin is silent.

        Args:
            at: the offset up to which it was read.
        """
        block = empty(self.plan.shape.base_digest, self.origin, (at, at), self.watermark, idle=True).encode()
        return [self.event(block, place) for place in range(self.partitions)]

    def _keyed(self, batch: Batch, rows: Arrivals, letters: list[Event]) -> Arrivals:
        rows.codes = self.places.encode([rows.columns[name] for name in self.plan.key])
        if rows.codes.min(initial=0) >= 0:
            return rows
        letters += self._refusals.refused(batch, rows.take(np.flatnonzero(rows.codes < 0)))
        return rows.take(np.flatnonzero(rows.codes >= 0))

    def event(self, block: bytes, place: int) -> Event:
        """Return the record that carries a block."""
        return Event(str(self.plan.repartition), None, block, partition=place)


class _Parcel:
    """The rows of one batch, sorted by destination."""

    def __init__(self, sender: Sender, batch: Batch, rows: Arrivals) -> None:
        self._sender, self._batch = sender, batch
        places = sender.places.of(rows.codes)
        self._bounds = np.concatenate(([0], np.bincount(places, minlength=sender.partitions).cumsum()))
        order = None if sender.partitions == 1 else np.argsort(places, kind="stable")
        self._rows = replace(rows, columns={}) if order is None else replace(rows, columns={}).take(order)
        self._columns = {
            sender.wires[name]: Packer(column, order, sender.compactor)
            for name, column in rows.columns.items()
            if name in sender.wires
        }
        self._keyed_rows = rows
        self._order: NDArray[np.intp] = np.arange(len(rows)) if order is None else order
        self._large: list[int] = []

    def large(self) -> Arrivals:
        """Return the rows that fit in no block, with the code that says so."""
        rows = self._keyed_rows.take(self._order[np.array(self._large, np.intp)])
        rows.codes = np.full(len(rows), LARGE, np.int64)
        return rows

    def blocks(self, place: int) -> Iterator[Event]:
        """Yield the blocks for one destination."""
        start, stop = int(self._bounds[place]), int(self._bounds[place + 1])
        span, watermark = (self._batch.lo, self._batch.hi), self._sender.watermark
        for block in self._cut(span, start, stop, watermark):
            yield self._sender.event(block, place)

    def _cut(self, span: tuple[int, int], start: int, stop: int, watermark: int) -> Iterator[bytes]:
        """Yield the rows `[start, stop)` as blocks that fit; together their ranges are the span."""
        block = self._block(span, start, stop, watermark).encode()
        if len(block) <= self._sender.limit:
            yield block
        elif stop - start == 1:
            self._large.append(start)
            yield from self._cut(span, start, start, watermark)
        else:
            middle = (start + stop) // 2
            at = int(self._rows.offset[middle])
            yield from self._cut((span[0], at), start, middle, int(self._rows.running[middle - 1]))
            yield from self._cut((at, span[1]), middle, stop, watermark)

    def _block(self, span: tuple[int, int], start: int, stop: int, watermark: int) -> Block:
        sender, part = self._sender, slice(start, stop)
        base = sender.plan.shape.base_digest
        if start == stop:
            return empty(base, sender.origin, span, watermark, idle=False)
        keys, key = self._keys(self._rows.codes[part])
        return Block(
            VERSION,
            base,
            sender.origin,
            *span,
            watermark,
            False,  # noqa: FBT003 - a batch is never idle
            stop - start,
            pack_rising(self._rows.offset[part]),
            pack(self._rows.time[part]),
            pack_rising(self._rows.running[part]),
            keys,
            pack(key),
            self._packed(start, stop),
            self._originals(part),
        )

    def _keys(self, codes: Codes) -> tuple[list[bytes], Codes]:
        keys = self._sender.places.keys
        used, local = self._sender.compactor.compact(codes, keys.size)
        return keys.keys(used), local

    def _packed(self, start: int, stop: int) -> dict[str, PackedColumn]:
        return {name: packer.pack(start, stop) for name, packer in self._columns.items()}

    def _originals(self, part: slice) -> tuple[list[bytes | None], list[bytes | None]] | None:
        """Return (keys, values) as they were read, which a topic for late rows needs."""
        source = self._batch.source
        if self._sender.plan.late_topic is None or source is None:
            return None
        rows = self._batch.rows[self._rows.where[part]].tolist()
        return [source.key(row) for row in rows], [source.values[row] for row in rows]


def wires(plan: TablePlan) -> dict[str, str]:
    """Return what a table's aggregates and ids are made of, fields and derived ones, and what a block calls them.

    A derived field is called by what it is derived from: when it is declared anew, blocks that are still on their way
    do not pass for it, and it is null in their rows.
    """
    parts = [part for each in plan.aggregates for part in (each.of, each.by, each.where)]
    names = sorted({name for part in parts if part is not None for name in part.fields} | {*plan.table.unique})
    return {name: "=".join((name, *_derived(plan, name))) for name in names}


def _derived(plan: TablePlan, name: str) -> list[str]:
    """Return the expressions by which a field is derived, itself or what it is made of; none for one of the record."""
    for each in plan.shape.columns.values():
        if name in each.derive:
            return [f"{field}:{text}" for field, text in each.derive.items()]
    return []
