"""Record batches (message format v2) of a changelog, parsed by whole arrays: nothing is done per record in Python.

Where the compiled loops are loaded (`streams.fast`), `frames` reads the records one after the other. Without them:
the fields of a record have varying lengths, so that where one begins is known only when the one before was read. But
the cells of a write follow one another by group, and their keys begin with the same 17 bytes. Where those bytes lie
is *guessed* to be where keys begin; before a key lie varints, which can be read backwards; and when each record then
ends exactly where the next begins, from the first to the last, the guess is proved. Any other batch is read by
aiokafka's own parser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from cramjam import DecompressionError

from streams import fast
from streams.transport.errors import ReadFailed
from streams.transport.unpacking import Oversized, unpack
from streams.transport.wire import HEAD_BYTES, LEAST_RECORD_BYTES, MAGIC, Head, Span, is_sound, rebuilt
from tables.chunk import Chunk, Spans, view_at
from tables.records import CELL, GROUP_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

CHUNK_RECORDS = 20_000
"""Records after which a chunk ends with its batch."""
_DAMAGE = (DecompressionError, Oversized, RuntimeError, ValueError, OSError, EOFError, IndexError)
_REST = 0x7F
"""The bits of a varint's byte that are number; the one above says that more follow."""
_MOST_BYTES = 10
"""Of a varint of 64 bits."""
_BLOCK = 1 << 16
_FEW = 200
"""Records below which a batch is not worth arrays."""
_SINGLE = 64
"""Most records that are not cells in a batch that is read by arrays; alerts come in larger numbers now and then."""


class Batch(NamedTuple):
    """One batch of an answer: its head, and where in the answer it begins and ends."""

    head: Head
    start: int
    end: int


def batches(answer: bytes, until: int) -> Iterator[Batch]:
    """Yield the whole batches of a fetch answer that begin before the offset `until`; the last may be cut off.

    Raises:
        ReadFailed: a batch is of an older message format.
    """
    start = 0
    while start + HEAD_BYTES <= len(answer):
        head = Head.read(answer, start)
        end = head.end(start)
        if head.magic != MAGIC:
            raise ReadFailed(f"the batch at offset {head.base_offset} is of message format {head.magic}, not {MAGIC}")
        if head.base_offset >= until or end > len(answer):
            return
        yield Batch(head, start, end)
        start = end


def portions(found: list[Batch]) -> Iterator[list[Batch]]:
    """Yield the batches in portions of about `CHUNK_RECORDS` records."""
    part: list[Batch] = []
    for batch in found:
        part.append(batch)
        if sum(each.head.records for each in part) >= CHUNK_RECORDS:
            yield part
            part = []
    if part:
        yield part


def parsed(answer: bytes, part: list[Batch], start: int) -> Chunk:
    """Return the records of batches from the offset `start` on as one chunk; blocking.

    Raises:
        ReadFailed: a batch is damaged.
    """
    return Chunk.joined([parse(answer, batch, start) for batch in part], part[-1].head.next_offset)


def parse(answer: bytes, batch: Batch, start: int) -> Chunk:
    """Return the records of a batch from the offset `start` on; none of one that only controls a transaction.

    Raises:
        ReadFailed: its checksum is wrong, its records take more than they may, or it cannot be read.
    """
    head = batch.head
    if head.control:
        return Chunk.of([], [], head.next_offset)
    whole = memoryview(answer)[batch.start : batch.end]
    if not is_sound(head, whole):
        raise ReadFailed(f"the record batch at offset {head.base_offset} is damaged (its checksum is wrong)")
    try:
        blob, low, high = _unpacked(answer, batch)
        found = _arrays(blob, low, high, head) if head.records >= _FEW else None
        chunk, deltas = _objects(rebuilt(Span(head, memoryview(blob), low, high)), head) if found is None else found
    except _DAMAGE as error:
        raise ReadFailed(f"the record batch at offset {head.base_offset} cannot be read: {error}") from error
    if head.base_offset < start:
        wanted = np.flatnonzero(deltas >= start - head.base_offset)
        chunk, deltas = chunk.take(wanted), deltas[wanted]
    chunk.lo = head.base_offset + int(deltas[0]) if len(deltas) else None
    return chunk


def _objects(raw: Any, head: Head) -> tuple[Chunk, Ints]:
    """Return the records as aiokafka reads them, and their offsets within the batch."""
    rows = list(raw)
    deltas = np.array([row.offset for row in rows], np.int64) - head.base_offset
    return Chunk.of([row.key for row in rows], [row.value for row in rows], head.next_offset), deltas


def _unpacked(answer: bytes, batch: Batch) -> tuple[bytes, int, int]:
    """Return a block of bytes, and where in it the records of a batch begin and end; decompressed within a bound."""
    start, end, codec = batch.start + HEAD_BYTES, batch.end, batch.head.compression
    if not codec:
        return answer, start, end
    blob = bytes(unpack(codec, memoryview(answer)[start:end]))
    return blob, 0, len(blob)


def _arrays(blob: bytes, start: int, end: int, head: Head) -> tuple[Chunk, Ints] | None:
    """Return the records as arrays, and their offsets within the batch; None if its structure is another."""
    if (kernels := fast.kernels()) is not None:
        return _framed(kernels, blob, (start, end), head)
    try:
        found = Walk(blob, start, end).all(head.records)
    except IndexError:  # a wrong guess led out of the block
        return None
    if found is None:
        return None
    keys, values = Spans(found[0], found[1]), Spans(found[2], found[3])
    return Chunk(blob, keys, values, head.next_offset), found[4]


def _framed(kernels: ModuleType, blob: bytes, span: tuple[int, int], head: Head) -> tuple[Chunk, Ints] | None:
    """Return the same by a compiled loop; None if the batch is damaged."""
    most = max(0, min(head.records, (span[1] - span[0]) // LEAST_RECORD_BYTES))
    found = np.empty((6, most), np.int64)
    where = np.array([[*span, head.records, 0, 0]], np.int64)
    sound, _ = kernels.frames(np.frombuffer(blob, np.uint8), where, np.zeros(1, np.int64), found)
    if not sound:
        return None
    value, value_size, key, size, delta, _ = found
    return Chunk(blob, Spans(key, size), Spans(value, value_size), head.next_offset), delta


Fields = tuple["Ints", "Ints", "Ints", "Ints", "Ints"]
"""Of some records: start and size of the key, start and size of the value, offset within the batch."""


class Walk:
    """A walk over the records of one batch, by as many at once as share a group.

    Args:
        blob: holds the records.
        start: of the first.
        end: of the last.
    """

    def __init__(self, blob: bytes, start: int, end: int) -> None:
        """Stand before the first record."""
        self._blob, self._at, self._end = blob, start, end
        self._bytes = np.frombuffer(blob, np.uint8)
        self._marks: Ints | None = None
        """Where the first two bytes of cells' keys lie, and by chance elsewhere."""

    def all(self, count: int) -> Fields | None:
        """Return all records, None if they are not laid out as a write of cells is."""
        found: list[Fields] = []
        have = single = 0
        while have < count:
            key, size, rest = self._one(self._at)
            if size >= GROUP_BYTES and self._blob.startswith(CELL, key):
                run = self._run(key)
                if run is None:
                    return None
                found.append(run)
                have += len(run[0])
                continue
            value, value_size, self._at = rest
            found.append(_row(key, size, value, value_size, self._delta))
            have, single = have + 1, single + 1
            if single > _SINGLE:
                return None
        if have != count or self._at != self._end:
            return None
        parts = zip(*found, strict=True)
        first, second, third, fourth, fifth = (np.concatenate(part) for part in parts)
        return first, second, third, fourth, fifth

    def _one(self, place: int) -> tuple[int, int, tuple[int, int, int]]:
        """Return key start, key size, and (value start, value size, end) of the record at a place."""
        length, place = self._varint(place)
        end = place + length
        _, place = self._varint(place + 1)
        self._delta, place = self._varint(place)
        size, key = self._varint(place)
        value_size, value = self._varint(key + max(0, size))
        return key, size, (value, value_size, end)

    def _varint(self, place: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = self._blob[place]
            place += 1
            value |= (byte & _REST) << shift
            if byte <= _REST:
                return value >> 1 ^ -(value & 1), place
            shift += 7

    def _run(self, key: int) -> Fields | None:
        """Return all records from the one with this key to the last of its group, and walk behind them."""
        keys = self._alike(key)
        if not len(keys) or keys[0] != key:
            return None
        before, delta, size, ends = self._before(keys)
        value, value_size = self._after(keys + size)
        proved = (
            before[0] == self._at
            and np.array_equal(before[1:], ends[:-1])
            and np.array_equal(value + np.maximum(value_size, 0) + 1, ends)
            and not self._bytes[ends - 1].any()  # no headers
            and int(ends[-1]) <= self._end
        )
        self._at = int(ends[-1])
        return (keys, size, value, value_size, delta) if proved else None

    def _alike(self, key: int) -> Ints:
        """Return the places from a key on at which its group's prefix lies, in order."""
        if self._marks is None:
            self._marks = self._pairs(key)
        marks = self._marks[np.searchsorted(self._marks, key) :]
        group = view_at(self._blob, f"V{GROUP_BYTES - 1}")[marks + 1].view("<u8")
        alike: Ints = marks[(group[::2] == group[:1]) & (group[1::2] == group[1:2])]
        return alike

    def _pairs(self, key: int) -> Ints:
        """Return the places from a key on at which its first two bytes lie; block by block, which stay in the cache."""
        first, second, data = self._bytes[key], self._bytes[key + 1], self._bytes
        found = [
            np.flatnonzero((data[low : low + _BLOCK] == first) & (data[low + 1 : low + 1 + _BLOCK] == second)) + low
            for low in range(key, self._end - _BLOCK - GROUP_BYTES, _BLOCK)
        ]
        low, high = key + len(found) * _BLOCK, self._end - GROUP_BYTES + 1
        found.append(np.flatnonzero((data[low:high] == first) & (data[low + 1 : high + 1] == second)) + low)
        return np.concatenate(found)

    def _before(self, keys: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Return where records begin, their offset deltas, the sizes of their keys, and where they end."""
        size, place = self._back(keys)
        delta, place = self._back(place)
        _, place = self._back(place)
        attributes = place - 1
        length, place = self._back(attributes)
        return place, delta, size, attributes + length

    def _back(self, end: Ints) -> tuple[Ints, Ints]:
        """Return the varints that end before these places, and where they begin.

        Raises:
            IndexError: what lies there is no varint.
        """
        start = end - 1
        value = self._bytes[start].astype(np.int64)
        for _ in range(_MOST_BYTES):
            before = self._bytes[start - 1]
            more = (before > _REST) & (start > self._at)  # what lies before the first record is a count
            if not more.any():
                return value >> 1 ^ -(value & 1), start
            start -= more
            value = np.where(more, value << 7 | before & _REST, value)
        raise IndexError(_MOST_BYTES)

    def _after(self, start: Ints) -> tuple[Ints, Ints]:
        """Return where values begin and their sizes, from the varints at these places."""
        byte = self._bytes[start].astype(np.int64)
        value, end, shift, more = byte & _REST, start + 1, 7, byte > _REST
        while shift < 7 * _MOST_BYTES and more.any():
            byte = self._bytes[end].astype(np.int64)
            value |= np.where(more, (byte & _REST) << shift, 0)
            end += more
            shift += 7
            more &= byte > _REST
        return end, value >> 1 ^ -(value & 1)


def _row(*fields: int) -> Fields:
    first, second, third, fourth, fifth = (np.array([each], np.int64) for each in fields)
    return first, second, third, fourth, fifth
