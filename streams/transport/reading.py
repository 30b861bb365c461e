"""From the spans of a walk to records: by compiled loops into arrays, or by aiokafka's reader into objects."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from aiokafka.errors import CorruptRecordException
from numpy.typing import NDArray

from streams import fast
from streams.effects import Records
from streams.packed import Packed
from streams.transport.errors import ReadFailed
from streams.transport.wire import LEAST_RECORD_BYTES, rebuilt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from streams.effects import Lost
    from streams.transport.wire import Span, Walk

DAMAGE = (CorruptRecordException, RuntimeError, ValueError, OSError, EOFError, zlib.error)
"""What aiokafka's readers raise for bytes that are no record batch."""


@dataclass(slots=True)
class Read:
    """Records of the first spans of a walk.

    Args:
        offsets: shape (n,).
        stamps: shape (n,), Kafka timestamps in ms.
        values: n values.
        key_of: returns the key of a record.
        sound: of how many spans, from the first on, these are all records.
        why: what is wrong with the next span.
    """

    offsets: NDArray[np.int64]
    stamps: NDArray[np.int64]
    values: Sequence[bytes | None]
    key_of: Callable[[int], bytes | None]
    sound: int
    why: str = "its records are damaged"


def read(walk: Walk, lo: int) -> Records:
    """Return the records from the offset `lo` on; of a damaged batch and what is behind it, nothing.

    Position and failure of the walk are set back to the damage, if there is any.
    """
    kernels = fast.kernels()
    found = _objects(walk.spans) if kernels is None else _arrays(kernels, walk.spans)
    if found.sound < len(walk.spans):
        head = walk.spans[found.sound].head
        walk.position = max(lo, head.base_offset)
        walk.failure = ReadFailed(f"the record batch at offset {head.base_offset} cannot be read: {found.why}")
        walk.lost = [each for each in walk.lost if each.hi <= walk.position]
    return _records(found, lo, walk.position, walk.lost)


def _records(found: Read, lo: int, hi: int, lost: list[Lost]) -> Records:
    before = int(found.offsets.searchsorted(lo))
    if not before:
        return Records(lo, hi, found.offsets, found.stamps, found.values, None, found.key_of, lost)
    key_of = found.key_of
    return Records(
        lo, hi, found.offsets[before:], found.stamps[before:], found.values[before:], None,
        lambda row: key_of(row + before), lost,
    )  # fmt: skip


def _arrays(kernels: ModuleType, spans: list[Span]) -> Read:
    """Read spans by compiled loops."""
    buffer, starts = _one_buffer(spans)
    heads = [span.head for span in spans]
    rows = [
        (start, start + span.end - span.start, span.head.records, span.head.base_offset, span.head.first_timestamp)
        for start, span in zip(starts, spans, strict=True)
    ]
    places = np.array(rows, np.int64).reshape(len(spans), 5)
    stamped = np.array([head.max_timestamp if head.stamped_by_broker else -1 for head in heads], np.int64)
    most = [max(0, min(span.head.records, (span.end - span.start) // LEAST_RECORD_BYTES)) for span in spans]
    made = np.empty((6, sum(most)), np.int64)
    sound, n = kernels.frames(np.frombuffer(buffer, np.uint8), places, stamped, made)
    start, length, key_start, key_length, offsets, stamps = made[:, :n]
    keys = Packed(buffer, key_start, key_length)
    return Read(offsets, stamps, Packed(buffer, start, length), keys.__getitem__, sound)


def _one_buffer(spans: list[Span]) -> tuple[bytes, list[int]]:
    """Return a buffer that holds all spans, and where each begins in it: the answer itself if none was compressed."""
    if not spans:
        return b"", []
    answer: Any = spans[0].buffer.obj
    if isinstance(answer, bytes) and all(span.buffer.obj is answer for span in spans):
        return answer, [span.start for span in spans]
    sizes = [span.end - span.start for span in spans]
    starts = list(accumulate(sizes[:-1], initial=0))
    return b"".join([span.buffer[span.start : span.end] for span in spans]), starts


class Objects:
    """Records by aiokafka's reader, which makes an object a record; batch by batch."""

    def __init__(self) -> None:
        """Begin without any."""
        self.values: list[bytes | None] = []
        self.keys: list[bytes | None] = []
        self.offsets = [np.empty(0, np.int64)]
        self.stamps = [np.empty(0, np.int64)]
        self.edges = [0]
        self.size = 0

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.values)

    def add(self, batch: Any, *, keyed: bool = True) -> None:
        """Append the records of a batch, or nothing of one that is damaged; `keyed` says whether keys are kept."""
        # A list of record objects and its columns cost less than a loop, and offsets then nothing.
        rows = list(batch)
        values = [row.value for row in rows]
        self.values += values
        self.stamps.append(np.array([row.timestamp for row in rows], np.int64))
        self.offsets.append(_offsets(rows))
        self.edges.append(len(self.values))
        self.size += sum(map(len, filter(None, values)))
        if keyed:
            self.keys += [row.key for row in rows]

    def records(self, lo: int, hi: int) -> Records:
        """Return all of them, without what lies before the offset `lo`; their keys were kept."""
        offsets, stamps = np.concatenate(self.offsets), np.concatenate(self.stamps)
        return _records(Read(offsets, stamps, self.values, self.keys.__getitem__, 0), lo, hi, [])


def _objects(spans: list[Span]) -> Read:
    """Read spans by aiokafka's reader."""
    found, sound, why = Objects(), len(spans), ""
    for at, span in enumerate(spans):
        try:
            found.add(rebuilt(span), keyed=False)
        except DAMAGE as error:
            sound, why = at, str(error)
            break
    offsets, stamps = np.concatenate(found.offsets), np.concatenate(found.stamps)
    return Read(offsets, stamps, found.values, _Keys(spans, found.edges).of, sound, why)


def _offsets(rows: list[Any]) -> NDArray[np.int64]:
    """Return the rising offsets of records as an array; without holes from its two ends."""
    if rows and rows[-1].offset - rows[0].offset == len(rows) - 1:
        return np.arange(rows[0].offset, rows[-1].offset + 1, dtype=np.int64)
    return np.array([row.offset for row in rows], np.int64)


class _Keys:
    """The keys of records, read again when somebody asks for them, a batch at a time.

    Args:
        spans: of the batches.
        edges: the number of the first record of each batch, and that after the last.
    """

    def __init__(self, spans: list[Span], edges: list[int]) -> None:
        self._spans, self._edges = spans, edges
        self._at, self._found = -1, list[bytes | None]()

    def of(self, row: int) -> bytes | None:
        """Return the key of a record."""
        at = bisect_right(self._edges, row) - 1
        if at != self._at:
            self._at, self._found = at, [each.key for each in rebuilt(self._spans[at])]
        return self._found[row - self._edges[at]]
