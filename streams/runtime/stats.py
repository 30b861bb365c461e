"""What one worker counts of itself: plain numbers, read when Prometheus scrapes."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

SIZES = (1, 10, 100, 1_000, 10_000, 100_000)
"""Upper bounds of the batch size histogram, records."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the batch duration histogram."""


@dataclass(slots=True)
class Histogram:
    """A histogram as Prometheus wants it: counts per upper bound (the last is infinity), and the sum."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        """Make one count per bound and one beyond."""
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return cumulative counts as (upper bound text, count), ending with `+Inf`."""
        found, below = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            below += count
            found.append((bound, float(below)))
        return found


@dataclass(slots=True)
class WorkerStats:
    """Counts over all partitions of the worker."""

    batch_records: Histogram = field(default_factory=lambda: Histogram(SIZES))
    batch_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    rebalances: int = 0
    failures: int = 0
    promotions: int = 0
    deleted: int = 0

    def batch(self, records: int, seconds: float) -> None:
        """Count one batch of a partition, from its decoding to its release."""
        self.batch_records.observe(records)
        self.batch_seconds.observe(seconds)
