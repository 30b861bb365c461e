"""The receiving end of a re-key: blocks in, batches for a table engine out; each origin in order, nothing twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import msgspec
import numpy as np

from streams import reasons
from streams.effects import Batch, Records, Rekeyed
from streams.letters import letter
from streams.rekey.blocks import Block, BlockError, Rows, decode, unpack
from streams.rekey.sender import wires
from tables.columns import Column
from tables.records import NEVER

if TYPE_CHECKING:
    from streams.effects import Event, Write
    from streams.table_engine import TableEngine


class RekeyError(ValueError):
    """Blocks that a table cannot go on with: it stops until somebody has seen to it."""


class Gap(RekeyError):  # noqa: N818 - the name says what is the matter
    """Offsets of an origin are missing between two blocks: rows were lost on the way."""


class OtherDeclaration(RekeyError):  # noqa: N818 - the name says what is the matter
    """A block was made for another declaration of the table."""


Received = tuple[Block, Rows]


class BlockReceiver:
    """Feeds one partition of a re-keyed table.

    Args:
        engine: of the table partition.
        origins: every partition of the stream's topic, `topic-partition`.
        partition: of the repartition topic.
    """

    def __init__(self, engine: TableEngine, origins: Sequence[str], partition: int) -> None:
        self.engine, self.origins, self.partition = engine, tuple(origins), partition
        self._names = {wire: name for name, wire in wires(engine.plan).items()}

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
            if self._is_ours(block):
                yield self._batch(block, rows)

    def _is_ours(self, block: Block) -> bool:
        """Return whether a block counts; one of the declaration before this one's first was for its table, not this."""
        plan, z = self.engine.plan, self.engine.progress.origins[block.origin].z
        if block.base != plan.shape.base_digest:
            if z == NEVER or block.hi - 1 <= z:
                return False
            raise OtherDeclaration(
                f"topic {plan.repartition}, partition {self.partition}: {block.origin} is sent by a worker that has "
                f"another declaration of table {plan.name} (another key, window or condition); end that worker, or "
                f"let it take this partition"
            )
        if NEVER < z < block.lo - 1:
            raise Gap(
                f"topic {plan.repartition}, partition {self.partition}: after offset {z} of {block.origin} comes "
                f"{block.lo}; the rows between were lost (deleted by retention before they were read, or the table was "
                f"taken out of the declaration for a while). Count again with `streams reset`"
            )
        return True

    def _batch(self, block: Block, rows: Rows) -> Batch:
        columns = {self._names[wire]: column for wire, column in rows.columns.items() if wire in self._names}
        rekeyed = Rekeyed(block.watermark, rows.running, block.keys, rows.key)
        return Batch(
            block.origin,
            block.lo,
            block.hi,
            np.arange(block.count),
            columns,
            rows.time,
            rows.offset,
            source=_source(block, rows, columns),
            idle=block.idle,
            rekeyed=rekeyed,
        )

    def _letter(self, records: Records, index: int, message: str) -> Event:
        plan, reason = self.engine.plan, reasons.NO_BLOCK
        self.engine.stats.dead[reason] += 1
        topic, to = str(plan.repartition), plan.dead_letters
        return letter(records, index, to=to, topic=topic, partition=self.partition, reason=reason, message=message)


def _source(block: Block, rows: Rows, columns: dict[str, Column]) -> Records:
    """Return what letters are made of: the original records, or the rows as JSON where the block has them not."""
    if block.originals is not None:
        keys, values = block.originals
        return Records(block.lo, block.hi, rows.offset, rows.time, values, keys)
    restored: Any = _Restored(columns, block.count)
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
