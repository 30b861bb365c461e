"""How many bytes of fetched events make a batch: as many as pay, and no more than there is room for. Pure."""

from __future__ import annotations

from streams.runtime.inbox import LARGE
from streams.settings import FETCH_BYTES

INPUT_BYTES = 72 << 20
"""Fetched values that all partitions of a worker may hold, waiting and in work."""
MOST_BYTES = 6 << 20
"""The most that one batch holds, where there are few partitions, and cells that many events share a write of."""
FEW_CELLS_BYTES = 2 << 20
"""The same, where a write holds few cells: then larger batches save nothing, and take memory."""
MANY_OPEN_BYTES = 3 << 20
"""The same, where there are many open cells: input gives way to them."""
ANSWER_SHARE = 4 << 20
"""What an answer may bring of one partition, where there are many: they do not all hold a batch at a time."""
FEW_PARTITIONS = 4
"""A worker with fewer is answered as much as one with so many."""
MANY_PARTITIONS = 8
"""A worker with more has large batches of a few partitions at a time, not small ones of all."""
MOST_RECORDS = 30_000
"""The most that batches are joined to where larger writes pay: two answers of the largest size."""
FEW_RECORDS = 20_000
"""The same elsewhere: beyond that what a batch costs by itself is nothing beside what its records do."""
MANY_CELLS = 1_000
"""Changelog records a write, on the average, from which on fewer and larger writes are worth their memory."""
MANY_OPEN = 250_000
"""Open cells of a worker, which take some 80 MiB, from which on input takes less memory."""
_NEW = 0.2
"""The weight of what was written last in the average."""


class TakeSize:
    """Follows how much the writes hold, and says how large a batch may be.

    Attributes:
        partitions: how many inputs share the memory.
    """

    def __init__(self) -> None:
        """Know of no writes."""
        self.partitions = 1
        self._seen = (0, 0)
        self._records = 0.0
        self._open = 0

    def wrote(self, writes: int, records: int, cells: int) -> None:
        """Take what all tables of the worker have written, and hold.

        Args:
            writes: to changelogs, since the start.
            records: in them.
            cells: that are open.
        """
        before, held = self._seen
        if writes > before:
            self._records += _NEW * ((records - held) / (writes - before) - self._records)
            self._seen = writes, records
        self._open = cells

    def fetched(self, configured: int) -> int:
        """Return how many bytes an answer may hold of one partition.

        A worker with one partition would else make small batches, each of which writes nearly as many cells, and so
        would one with many.

        Args:
            configured: what the settings say; only the default is raised.
        """
        if configured != FETCH_BYTES:
            return configured
        if self.partitions > MANY_PARTITIONS:
            return ANSWER_SHARE
        return FETCH_BYTES * FEW_PARTITIONS // min(max(self.partitions, 1), FEW_PARTITIONS)

    @property
    def joined(self) -> int:
        """How many records of batches that wait together are made one batch."""
        return MOST_RECORDS if self._most() == MOST_BYTES else FEW_RECORDS

    @property
    def bytes(self) -> int:
        """How many bytes a batch may hold."""
        least = ANSWER_SHARE if self.partitions > MANY_PARTITIONS else 0
        return min(self._most(), max(least, INPUT_BYTES // ((LARGE + 1) * max(self.partitions, 1))))

    def _most(self) -> int:
        if self._records < MANY_CELLS:
            return FEW_CELLS_BYTES
        return MOST_BYTES if self._open < MANY_OPEN else MANY_OPEN_BYTES
