"""How far behind the changelog a followed partition is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

CLOSE_RECORDS = 10_000
"""A follower that lacks no more than this is ready to take over (Kafka Streams' acceptable.recovery.lag)."""


class Behind(NamedTuple):
    """How old an answer of a follower may be.

    Args:
        records: of the changelog that it lacks, as far as it knows.
        ms: everything that was written longer ago than this is in it.
    """

    records: int
    ms: int


@dataclass(slots=True)
class Standing:
    """Where a follower stands.

    Args:
        position: the next offset that it reads.
        end: the end of the log, as the last answer of a broker said; None before the first.
        as_of: wall clock, seconds: everything that was written before is there.
    """

    position: int
    end: int | None = None
    as_of: float = 0.0

    def at_end(self, now: float) -> None:
        """Note that a broker said at wall clock `now` that there is nothing more."""
        self.as_of = max(self.as_of, now)

    def behind(self, now: float | None = None) -> Behind | None:
        """Return how far behind it is; None while no broker has said where the log ends.

        Args:
            now: wall clock, seconds; None asks it.
        """
        if self.end is None:
            return None
        now = time.time() if now is None else now
        return Behind(max(0, self.end - self.position), max(0, int((now - self.as_of) * 1000)))

    @property
    def close(self) -> bool:
        """Whether so little is missing that a take-over reads it at once."""
        return self.end is not None and self.end - self.position <= CLOSE_RECORDS
