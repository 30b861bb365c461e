"""Writing again what lives on without changing, before the changelog's retention deletes it (rule 10). Pure.

The broker deletes what was written longer ago than the retention, alive or not. So everything that the store holds is
written again once in half of that, a write at a time between the batches. What is written is what the store says, as
it is: nothing is judged, nothing is owed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.draft import RECORD_BYTES
from tables.records import ALERT, CELL, IDS, SHAPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.draft import Draft
    from streams.effects import Limits
    from tables.records import Progress
    from tables.store import Item, Store

KINDS = (SHAPE, ALERT, IDS, CELL)
"""What lives: progress is in every write, claims are renewed, and outbox slots are owed by the last write only."""


@dataclass(slots=True)
class Rewriting:
    """One pass over everything that a partition holds.

    Args:
        began: wall clock, ms.
        floor: changelog offset at which it began: when it is done, everything alive lies from there on.
        kinds: what is still to be written.
        after: the record key that was written last.
    """

    began: int
    floor: int
    kinds: tuple[bytes, ...] = KINDS
    after: bytes = b""

    def fill(self, draft: Draft, store: Store, limits: Limits) -> None:
        """Put the next records into a draft that holds nothing else.

        Args:
            draft: of the next write.
            store: of the partition; nothing was changed that it does not have.
            limits: of a write.
        """
        while self.kinds:
            for key, value in self._items(store):
                size = draft.size + RECORD_BYTES + len(key) + len(value)
                if draft and (draft.records + 1 >= limits.records or size > limits.size):
                    return
                draft.put(key, value)
                self.after = key
            self.kinds, self.after = self.kinds[1:], b""

    def _items(self, store: Store) -> Iterator[Item]:
        return store.scan(self.kinds[0], self.after + b"\0" if self.after else b"")

    def done(self, progress: Progress) -> bool:
        """Note in the progress of the last of its writes that it is done; return whether it is."""
        if self.kinds:
            return False
        progress.rewritten, progress.floor = self.began, self.floor
        return True
