"""Record batches (message format v2) as bytes: their heads, their checksums, and where their records lie.

The layout is that of Kafka's protocol guide, "Record Batch". Only the heads are read here; records are read by
`streams.transport.reading`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import google_crc32c
import numpy as np
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import calc_crc32c
from cramjam import DecompressionError

from streams.effects import Lost
from streams.transport.errors import ReadFailed
from streams.transport.unpacking import Oversized, unpack

if TYPE_CHECKING:
    from typing import Self

    from streams.transport.answers import Answer

_HEAD = struct.Struct(">qiibIhiqqqhii")
HEAD_BYTES = _HEAD.size
LEAST_RECORD_BYTES = 7
"""Of a record without key and value."""
_BEFORE_LENGTH = 12
_CHECKED_FROM = 21
"""The checksum covers all from the attributes on."""
MAGIC = 2
_MAGIC_AT = 16


class Head(NamedTuple):
    """The head of a record batch, its fields in the order in which they are written."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records: int

    @classmethod
    def read(cls, buffer: bytes | memoryview, at: int) -> Self:
        """Return the head of the batch that begins at a place; there must be room for one."""
        return cls._make(_HEAD.unpack_from(buffer, at))

    def end(self, at: int) -> int:
        """Return where the batch ends that begins at a place."""
        return at + _BEFORE_LENGTH + self.length

    @property
    def next_offset(self) -> int:
        """The offset after the batch, holes at its end included."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def compression(self) -> int:
        """Number of the compression; 0 is none."""
        return self.attributes & 7

    @property
    def stamped_by_broker(self) -> bool:
        """Whether all records have the time at which the broker appended them, `max_timestamp`."""
        return bool(self.attributes & 8)

    @property
    def transactional(self) -> bool:
        """Whether the batch belongs to a transaction."""
        return bool(self.attributes & 16)

    @property
    def control(self) -> bool:
        """Whether it is a marker, without data."""
        return bool(self.attributes & 32)


class Span(NamedTuple):
    """The records of one batch: bytes `start` to `end` of `buffer`."""

    head: Head
    buffer: memoryview
    start: int
    end: int


@dataclass(slots=True)
class Walk:
    """What was found in an answer.

    Args:
        position: the offset after what was found.
        at: where the batch after it begins in the answer.
        spans: batches with records.
        lost: batches that are too large.
        failure: why the next batch cannot be read; None if it can, or if there is none.
        more: whether there is another batch.
    """

    position: int
    at: int
    spans: list[Span] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    failure: ReadFailed | None = None
    more: bool = True


def is_readable(answer: Answer) -> bool:
    """Return whether the next batch of an answer is of the format that is read here; older ones are aiokafka's."""
    return len(answer.data) > answer.at + _MAGIC_AT and answer.data[answer.at + _MAGIC_AT] == MAGIC


def walk(part: Any, answer: Answer, max_bytes: int, max_records: int, limit: int) -> Walk:
    """Go through an answer from batch to batch; nothing is changed by it but what the part knows of transactions.

    Args:
        part: aiokafka's `PartitionRecords` of the answer, which knows about aborted transactions.
        answer: what was fetched.
        max_bytes: of records; the batch that passes it is the last.
        max_records: the same, in records.
        limit: bytes that the records of one batch may take when they are decompressed.
    """
    found, view = Walk(answer.offset, answer.at), memoryview(answer.data)
    size = count = 0
    while found.more and size < max_bytes and count < max_records:
        try:
            head = _checked(view, found.at)
            if head is None:
                found.more = False
                break
            span = None if _without_data(part, view, found.at, head) else _span(view, found.at, head, limit, found)
        except ReadFailed as failure:
            found.failure = failure
            break
        if span is not None:
            found.spans.append(span)
            size, count = size + span.end - span.start, count + head.records
        found.at = head.end(found.at)
        found.position = max(found.position, head.next_offset)
    return found


def _checked(view: memoryview, at: int) -> Head | None:
    """Return the head of a batch whose checksum is right; None where the answer ends, or is cut off.

    Raises:
        ReadFailed: the checksum is wrong, or it is no batch of this format.
    """
    if at + HEAD_BYTES > len(view):
        return None
    head = Head.read(view, at)
    end = head.end(at)
    if end > len(view):
        return None
    if head.magic != MAGIC or end < at + HEAD_BYTES:
        raise ReadFailed(f"the record batch at offset {head.base_offset} is of format {head.magic}, not {MAGIC}")
    if not is_sound(head, view[at:end]):
        raise ReadFailed(f"the record batch at offset {head.base_offset} is damaged (its checksum is wrong)")
    return head


def is_sound(head: Head, batch: memoryview) -> bool:
    """Return whether the checksum of a whole batch is right."""
    return checksum(batch[_CHECKED_FROM:]) == head.crc


def checksum(part: memoryview) -> int:
    """Return the CRC-32C of bytes (RFC 3720): by the processor's instruction, ten times as fast as aiokafka's own."""
    if google_crc32c.implementation == "python":  # there is no wheel for this machine
        return int(calc_crc32c(bytes(part)))
    return int(google_crc32c.value(np.frombuffer(part, np.uint8)))  # it takes no memoryview


def sealed(batch: memoryview, head: Head) -> bytes:
    """Return a batch whose records are written, with its head before them: length and checksum are filled in."""
    head = head._replace(length=len(batch) - _BEFORE_LENGTH)
    _HEAD.pack_into(batch, 0, *head)
    _HEAD.pack_into(batch, 0, *head._replace(crc=checksum(batch[_CHECKED_FROM:])))
    return bytes(batch)


def _span(view: memoryview, at: int, head: Head, limit: int, found: Walk) -> Span | None:
    """Return where the records of a batch lie, decompressed if need be; note it as lost if it is too large for that."""
    start, end = at + HEAD_BYTES, head.end(at)
    if not head.compression:
        return Span(head, view, start, end)
    try:
        records = unpack(head.compression, view[start:end], limit)
    except Oversized as error:
        found.lost.append(Lost(head.base_offset, head.next_offset, head.records, end - at, str(error)))
        return None
    except (DecompressionError, ValueError, OSError) as error:
        raise ReadFailed(f"the record batch at offset {head.base_offset} cannot be decompressed: {error}") from error
    return Span(head, records, 0, len(records))


def _without_data(part: Any, view: memoryview, at: int, head: Head) -> bool:
    """Return whether a batch is a control batch, or of a transaction that was aborted (under read_committed)."""
    if part._isolation_level == READ_COMMITTED:
        part._consume_aborted_up_to(head.base_offset)
        if head.control and part._contains_abort_marker(whole(view[at : head.end(at)])):
            part._aborted_producers.discard(head.producer_id)
        if head.transactional and head.producer_id in part._aborted_producers:
            return True
    return head.control


def whole(batch: memoryview) -> DefaultRecordBatch:
    """Return aiokafka's reader of a whole batch."""
    return DefaultRecordBatch(bytes(batch))


def rebuilt(span: Span) -> DefaultRecordBatch:
    """Return aiokafka's reader of the records of a span, which is no longer compressed."""
    size = HEAD_BYTES - _BEFORE_LENGTH + span.end - span.start
    head = span.head._replace(attributes=span.head.attributes & ~7, length=size)
    return DefaultRecordBatch(_HEAD.pack(*head) + bytes(span.buffer[span.start : span.end]))
