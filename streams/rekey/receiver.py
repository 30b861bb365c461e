"""The receiving end of a re-key: blocks in, batches for a table engine out; each origin in order, nothing twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

import msgspec
import numpy as np

from streams import reasons
from streams.effects import Batch, Records, Rekeyed
from streams.letters import letter
from streams.rekey.blocks import FINGERPRINT, Block, BlockError, Rows, decode, unpack
from streams.rekey.sender import shipped
from tables.columns import Column
from tables.records import NEVER

if TYPE_CHECKING:
    from streams.effects import Event, Write
    from streams.planned import TablePlan
    from streams.table_engine import TableEngine


class Gap(ValueError):  # noqa: N818 - the name says what is the matter
    """Offsets of an origin are missing between two blocks: rows were lost on the way."""


class OtherDeclaration(ValueError):  # noqa: N818 - the name says what is the matter
    """A block was made for another declaration of the table."""


Received = tuple[Block, Rows]


class BlockReceiver:
    """Feeds one partition of a re-keyed table.

    Args:
        engine: of the table partition, made of the plan that `receiving` returns.
        origins: every partition of the stream's topic, `topic-partition`.
        partition: of the repartition topic.
    """

    def __init__(self, engine: TableEngine, origins: Sequence[str], partition: int) -> None:
        self.engine, self.origins, self.partition = engine, tuple(origins), partition

    @property
    def silent(self) -> bool:
        """Whether every origin says that it is: then only the clock moves the watermark."""
        return all(origin.idle for origin in self.engine.progress.origins.values())

    def start(self) -> Iterator[Write]:
        """Write down all origins before the first block: one that was not heard yet holds the watermark back."""
        return self.engine.expect(self.origins)

    def receive(self, records: Records) -> tuple[list[Received], list[Event]]:
        """Return the blocks that records of the repartition topic hold, and dead letters for what is none."""
        blocks: list[Received] = []
        letters: list[Event] = []
        for index, value in enumerate(records.values):
            try:
                blocks.append(self._read(value))
            except BlockError as error:
                letters.append(self._letter(records, index, str(error)))
        return blocks, letters

    def _read(self, value: bytes | None) -> Received:
        block = decode(value)
        if block.origin not in self.origins:
            raise BlockError(f"it comes from {block.origin}, which is no partition of the table's stream")
        return block, unpack(block)

    def fold(self, blocks: Iterable[Received]) -> Iterator[Write]:
        """Fold blocks in the order of their log.

        Raises:
            Gap: offsets of an origin are missing.
            OtherDeclaration: a block was made for another declaration.
        """
        return self.engine.fold_all(self._batches(blocks))

    def _batches(self, blocks: Iterable[Received]) -> Iterator[Batch]:
        for block, rows in blocks:
            self._check(block)
            yield batch(block, rows)

    def _check(self, block: Block) -> None:
        plan = self.engine.plan
        if block.fingerprint != plan.fingerprint[:FINGERPRINT]:
            raise OtherDeclaration(
                f"topic {plan.repartition}, partition {self.partition}: a block is of another declaration of table "
                f"{plan.name} (its key, window, conditions or aggregates changed); forget what is left of it with "
                f"`streams reset`, or give the table another name"
            )
        z = self.engine.progress.origins[block.origin].z
        if NEVER < z < block.lo - 1:
            raise Gap(
                f"topic {plan.repartition}, partition {self.partition}: after offset {z} of {block.origin} comes "
                f"{block.lo}; the rows between were lost (deleted by retention before they were read, or the table was "
                f"taken out of the declaration for a while). Count again with `streams reset`"
            )

    def _letter(self, records: Records, index: int, message: str) -> Event:
        plan, reason = self.engine.plan, reasons.NO_BLOCK
        self.engine.stats.dead[reason] += 1
        topic, to = str(plan.repartition), plan.dead_letters
        return letter(records, index, to=to, topic=topic, partition=self.partition, reason=reason, message=message)


def receiving(plan: TablePlan) -> TablePlan:
    """Return the plan of a table whose rows were derived and filtered where they were sent."""
    return replace(plan, derive={}, where=None, needs=shipped(plan))


def batch(block: Block, rows: Rows) -> Batch:
    """Return a block as a batch."""
    rekeyed = Rekeyed(block.watermark, rows.running, block.keys, rows.key)
    index, source = np.arange(block.count), _source(block, rows)
    return Batch(
        block.origin, block.lo, block.hi, index, rows.columns, rows.time, rows.offset,
        source=source, idle=block.idle, rekeyed=rekeyed,
    )  # fmt: skip


def _source(block: Block, rows: Rows) -> Records:
    """Return what letters are made of: the original records, or the rows as JSON where the block has them not."""
    if block.originals is not None:
        keys, values = block.originals
        return Records(block.lo, block.hi, rows.offset, rows.time, values, keys)
    restored: Any = _Restored(rows.columns, block.count)
    return Records(block.lo, block.hi, rows.offset, rows.time, restored, None, lambda row: block.keys[rows.key[row]])


class _Restored(Sequence[bytes]):
    """Rows as JSON objects of the columns that came along, each made when somebody asks for it."""

    def __init__(self, columns: dict[str, Column], count: int) -> None:
        self._columns, self._count = columns, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, row: int) -> bytes: ...
    @overload
    def __getitem__(self, row: slice) -> list[bytes]: ...
    def __getitem__(self, row: int | slice) -> bytes | list[bytes]:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(self._count))]
        at = np.array([row])
        return msgspec.json.encode({name: column.take(at).tolist()[0] for name, column in self._columns.items()})
