"""Decompressing record batches within a bound: a batch of some kilobytes may claim to hold gigabytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import cramjam
import numpy as np
from cramjam import DecompressionError

MAX_BYTES = 64 << 20
"""What the records of one batch may take, unless a setting says otherwise."""
_GROWTH = 8
_LEAST = 64 << 10
_FULL = "failed to write whole buffer"
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16
_BLOCK = struct.Struct(">i")
_CODECS: Mapping[int, Any] = MappingProxyType({1: cramjam.gzip, 3: cramjam.lz4, 4: cramjam.zstd})
_SNAPPY = 2


class Oversized(Exception):  # noqa: N818 - the name says what is the matter
    """The records of a batch take more than the bound.

    Args:
        limit: the bound, bytes.
    """

    def __init__(self, limit: int) -> None:
        """Name the bound."""
        super().__init__(f"they decompress to more than {limit} bytes")


def unpack(codec: int, packed: memoryview, limit: int = MAX_BYTES) -> memoryview:
    """Return the records of a compressed batch.

    Memory is taken step by step: never more than eight times what the records take, nor more than `limit`.

    Args:
        codec: its number in a batch's attributes: 1 gzip, 2 snappy, 3 lz4, 4 zstd.
        packed: the compressed records.
        limit: bytes that the records may take.

    Raises:
        Oversized: they take more.
        DecompressionError: the bytes are damaged.
        ValueError: there is no such codec, or the blocks of snappy do not follow each other.
    """
    if codec == _SNAPPY:
        return _unsnap(packed, limit)
    if codec not in _CODECS:
        raise ValueError(f"compression {codec} is not known: 1 is gzip, 2 snappy, 3 lz4, 4 zstd")
    return _unpack(_CODECS[codec].decompress_into, packed, limit)


def _unpack(decompress_into: Any, packed: memoryview, limit: int) -> memoryview:
    room = min(limit, max(_LEAST, _GROWTH * len(packed)))
    while (records := _fitting(decompress_into, packed, room)) is None:
        if room == limit:
            raise Oversized(limit)
        room = min(limit, _GROWTH * room)
    return records


def _fitting(decompress_into: Any, packed: memoryview, room: int) -> memoryview | None:
    """Return what was decompressed, None if it takes more than `room`."""
    out = _room(room)
    try:
        return out[: decompress_into(packed, out)]
    except DecompressionError as error:
        if _FULL not in str(error):
            raise
        return None


def _unsnap(packed: memoryview, limit: int) -> memoryview:
    """Undo snappy, in the blocks of Java's snappy library or as one block: each says at once what it takes."""
    blocks = _blocks(packed) if packed[: len(_XERIAL)] == _XERIAL else [packed]
    sizes = [cramjam.snappy.decompress_raw_len(block) for block in blocks]
    if sum(sizes) > limit:
        raise Oversized(limit)
    out, at = _room(sum(sizes)), 0
    for block, size in zip(blocks, sizes, strict=True):
        cramjam.snappy.decompress_raw_into(block, out[at : at + size])
        at += size
    return out


def _room(size: int) -> memoryview:
    """Return memory that is not written to yet, and so takes none before it is."""
    made: Any = np.empty(size, np.uint8)
    return memoryview(made)


def _blocks(packed: memoryview) -> list[memoryview]:
    found, at = [], _XERIAL_HEADER
    while at < len(packed):
        if at + _BLOCK.size > len(packed):
            raise ValueError("a block of snappy is cut off")
        (size,) = _BLOCK.unpack_from(packed, at)
        at += _BLOCK.size
        if size < 0 or at + size > len(packed):
            raise ValueError("a block of snappy is cut off")
        found.append(packed[at : at + size])
        at += size
    return found
