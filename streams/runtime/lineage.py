"""Whether a changelog goes on from what was read of it, or is another of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from streams.transport.produce import Claim
from tables.records import CLAIM, PROGRESS, Progress
from tables.recovery import OtherLog

if TYPE_CHECKING:
    from tables.chunk import Chunk
    from tables.store import Store


class Lineage:
    """The owner and the number of the last write of a changelog partition, followed write by write.

    A topic that is deleted and made anew while it is followed has other offsets, and may be longer than where the
    follower stands. But each write says under which claim it was made and the how-maniest it is: in a log that goes on,
    that claim is the last that was seen, and the number is greater. Where the broker cannot fence, a zombie breaks that
    rule too; the store is then held against the log once more, and found to be of it.

    Args:
        store: holds what was read so far.
    """

    def __init__(self, store: Store) -> None:
        """Begin where the store ends."""
        claim, progress = store.get_many([CLAIM, PROGRESS])
        self._owner = "" if claim is None else msgspec.json.decode(claim, type=Claim).owner
        self._n = 0 if progress is None else Progress.decode(progress).n

    def follow(self, chunk: Chunk) -> None:
        """Take the claims and the progress of a chunk.

        Raises:
            OtherLog: they do not go on from those before.
        """
        single = chunk.take(np.flatnonzero(chunk.keys.size == len(PROGRESS)))
        for key, value in single.items():
            if key == CLAIM and value is not None:
                self._owner = msgspec.json.decode(value, type=Claim).owner
            elif key == PROGRESS and value is not None:
                self._write(Progress.decode(value))

    def _write(self, progress: Progress) -> None:
        if self._owner and progress.owner and (progress.owner != self._owner or progress.n <= self._n):
            raise OtherLog(
                f"write {progress.n} of owner {progress.owner} does not go on from write {self._n}, and the last claim "
                f"is that of {self._owner}: the topic was made anew, or was compacted since"
            )
        self._n = progress.n
