"""Fetched batches that wait at a partition while one is in work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.effects import Records

LARGE = 2
"""Large batches that may wait."""
SMALL_RECORDS = 1_000
"""A batch of fewer records is measured by its bytes; counting those of larger ones would cost more than it is worth."""


class Inbox:
    """What waits at one partition, in the order of its offsets.

    Live input comes in many small batches: all that arrive while one is in work are kept, to be worked on together
    next. A limit on their number would let the latest wait for a second turn. In a backlog batches are large, and two
    are enough to be never without.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self._batches: list[Records] = []
        self._bytes = 0
        self._large = 0

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    def room(self, most: int) -> bool:
        """Return whether another batch may come.

        Args:
            most: bytes of the largest batch; what waits is at most `LARGE` times as much.
        """
        return self._bytes + self._large * most <= (LARGE - 1) * most

    def put(self, records: Records) -> None:
        """Keep a batch."""
        self._batches.append(records)
        if len(records) < SMALL_RECORDS:
            self._bytes += sum(len(value) for value in records.values if value)
        else:
            self._large += 1

    def take(self) -> list[Records]:
        """Return all that waits, and hold nothing."""
        waiting = self._batches
        self._batches, self._bytes, self._large = [], 0, 0
        return waiting
