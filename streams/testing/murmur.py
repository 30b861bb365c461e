"""Which partition a key goes to: murmur2, as Java's producer and librdkafka's `murmur2` partitioner do."""

from __future__ import annotations

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995
_SEED = 0x9747B28C


def murmur2(data: bytes) -> int:
    """Return the 32-bit hash. Source: Apache Kafka, `org.apache.kafka.common.utils.Utils.murmur2`."""
    digest = (_SEED ^ len(data)) & _MASK
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        digest = digest * _M & _MASK ^ ((word ^ word >> 24) * _M & _MASK)
    if whole < len(data):
        digest = (digest ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    digest = (digest ^ digest >> 13) * _M & _MASK
    return digest ^ digest >> 15


def partition_of(key: bytes | None, partitions: int) -> int:
    """Return the partition of a key; 0 for a record without key, where a producer would take any."""
    return 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % partitions
