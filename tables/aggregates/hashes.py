"""Values as 32-bit hashes, and values of a batch told apart: equal numbers are one value, 5 and 5.0 among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec
import numpy as np

from tables.columns import Column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tables.aggregates.base import Rows

    Hashes = NDArray[np.uint32]

_json = msgspec.json.Encoder().encode
_WORD = 2.0**63


def hashes(column: Column, events: Rows) -> Hashes:
    """Return a hash of the value of each of the events, shape (k,); equal in every process and version.

    Numbers are mixed by SplitMix64's finalizer (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
    2014), anything else is the CRC-32 of its JSON, mixed by MurmurHash3's finalizer, which parts what CRC leaves near.

    Args:
        column: values of the batch.
        events: shape (k,), positions of those that are not null.
    """
    part = column.take(events)
    if part.kind in {"int", "float", "mixed"}:
        return _of_words(_words(part))
    if part.kind == "bool":
        return _of_texts([b"true" if value else b"false" for value in part.values.tolist()])
    if part.kind == "text":
        return _of_texts(map(_json, part.values.tolist()))
    return _of_any([plain(value) for value in part.values.tolist()])


def told_apart(column: Column, events: Rows) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the distinct values of the events as plain Python, and for each event which of them it has.

    Args:
        column: values of the batch.
        events: shape (k,), positions of those that are not null.
    """
    part = column.take(events)
    if part.kind == "int":
        values, codes = np.unique(part.values, return_inverse=True)
        return values.tolist(), codes
    items = part.tolist()
    if part.kind not in {"text", "bool"}:
        items = [plain(item) for item in items]
    keys = items if part.kind in {"text", "bool"} else list(map(known, items))
    places: dict[Any, int] = {}
    codes = np.fromiter([places.setdefault(key, len(places)) for key in keys], np.int64, len(keys))
    found = dict(zip(keys, items, strict=True))
    return [found[key] for key in places], codes


def plain(value: Any) -> Any:
    """Return the value, as an integer if it is a whole number: 5 for 5.0."""
    return int(value) if type(value) is float and value.is_integer() and abs(value) < _WORD else value


def known(value: Any) -> Any:
    """Return a key that is equal for equal plain values only."""
    return value if type(value) is str else _json(value)


def _words(column: Column) -> NDArray[np.uint64]:
    """Return 64 bits that are equal where numbers are: whole ones as integers, others as their bits, turned over."""
    if column.kind == "int":
        return column.values.view(np.uint64)
    values = column.values
    whole = (values == np.floor(values)) & (np.abs(values) < _WORD)
    ints = np.where(whole, values, 0.0).astype(np.int64)
    if column.integer is not None and column.ints is not None:
        ints, whole = np.where(column.integer, column.ints, ints), whole | column.integer
    words: NDArray[np.uint64] = np.where(whole, ints.view(np.uint64), ~values.view(np.uint64))
    return words


def _of_any(items: list[Any]) -> Hashes:
    """Return the hashes of values of any type; numbers hash as in a column of numbers."""
    found = _of_texts(map(_json, items))
    for types, dtype in (({int}, np.int64), ({float}, np.float64)):
        at = [row for row, item in enumerate(items) if type(item) in types and -_WORD <= item < _WORD]
        if at:
            numbers = Column("int" if dtype is np.int64 else "float", np.array([items[row] for row in at], dtype))
            found[at] = _of_words(_words(numbers))
    return found


def _of_words(words: NDArray[np.uint64]) -> Hashes:
    mixed = words + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(32)).astype(np.uint32)


def _of_texts(texts: Iterable[bytes]) -> Hashes:
    mixed = np.array([crc32(text) for text in texts], np.uint32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed = (mixed ^ (mixed >> np.uint32(shift))) * np.uint32(factor)
    return mixed ^ (mixed >> np.uint32(16))
