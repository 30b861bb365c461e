"""Fetched batches that wait at a partition while one is in work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.effects import Records

LARGE = 2
"""Batches of the largest size that may wait."""


class Inbox:
    """What waits at one partition, in the order of its offsets.

    Batches are measured by their bytes and records, not counted: live input comes in many small ones, and so does a
    backlog of many partitions. All that arrive while one is in work are kept, to be worked on together next; a limit on
    their number would let the latest wait for a second turn.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self._batches: list[Records] = []
        self._bytes, self._records = 0, 0
        self._in_work = 0

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    @property
    def held(self) -> int:
        """The bytes of all batches, of those in work too."""
        return self._bytes + self._in_work

    def room(self, most: int, records: int) -> bool:
        """Return whether another batch may come.

        Args:
            most: bytes of the largest batch, about: the record batch that passes them is its last. There is room beside
                one of them, and not beside two.
            records: that are worked on together: what waits beside them would only take memory, and grow cold.
        """
        return self._bytes < (LARGE - 0.5) * most and self._records < records

    def put(self, records: Records) -> None:
        """Keep a batch."""
        self._batches.append(records)
        self._bytes += records.size()
        self._records += len(records)

    def take(self) -> list[Records]:
        """Return all that waits, to be worked on; nothing waits any more."""
        waiting = self._batches
        self._in_work += self._bytes
        self._batches, self._bytes, self._records = [], 0, 0
        return waiting

    def done(self) -> None:
        """Note that nothing is in work any more."""
        self._in_work = 0

    def clear(self) -> None:
        """Hold nothing."""
        self.take()
        self.done()
