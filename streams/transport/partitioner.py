"""Where a producer puts a key: murmur2, as Java's default partitioner does."""

from __future__ import annotations

from aiokafka.partitioner import murmur2

_POSITIVE = 0x7FFFFFFF


def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition of a key among `partitions`, 0 if there are none yet."""
    return (murmur2(key) & _POSITIVE) % partitions if partitions else 0
