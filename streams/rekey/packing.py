"""Columns of a block as bytes: integers in as few bytes as they need, texts as a dictionary and codes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tables.columns import Column, Kind

Ints = NDArray[np.int64]
_KINDS = ((1 << 8, "<u1"), (1 << 16, "<u2"), (1 << 32, "<u4"))
_WIDE = "<i8"
_FLOAT = "<f8"
_msgpack = msgspec.msgpack.Encoder().encode
_from_msgpack = msgspec.msgpack.Decoder(list[Any]).decode


class PackedInts(msgspec.Struct, array_like=True, frozen=True):
    """Integers as a base and what is added to it.

    Args:
        base: the least of them.
        kind: numpy's name of the type of `data`.
        data: the values less the base; of rising values, the steps from one to the next less the base.
        first: of rising values, the first of them; None for others.
    """

    base: int
    kind: str
    data: bytes
    first: int | None = None

    def unpack(self, n: int) -> Ints:
        """Return the n values.

        Raises:
            ValueError: there are not as many.
        """
        if self.kind != _WIDE and self.kind not in (kind for _, kind in _KINDS):
            raise ValueError(f"{self.kind!r} is no type of packed integers")
        if self.first is None:
            return _array(self.data, self.kind, n).astype(np.int64) + self.base
        steps = _array(self.data, self.kind, n - 1).astype(np.int64) + self.base
        return np.concatenate((np.array([self.first], np.int64), steps)).cumsum()


def pack(values: Ints) -> PackedInts:
    """Return integers packed."""
    if not len(values):
        return PackedInts(0, _KINDS[0][1], b"")
    least, most = int(values.min()), int(values.max())
    for bound, kind in _KINDS:
        if most - least < bound:
            return PackedInts(least, kind, (values - least).astype(kind).tobytes())
    return PackedInts(0, _WIDE, values.astype(_WIDE).tobytes())


def pack_rising(values: Ints) -> PackedInts:
    """Return integers packed that never fall: by their steps, which are small."""
    if not len(values):
        return pack(values)
    steps = pack(np.diff(values))
    return PackedInts(steps.base, steps.kind, steps.data, int(values[0]))


class PackedColumn(msgspec.Struct, array_like=True, frozen=True):
    """A column of n rows.

    Args:
        kind: as in `Column`.
        null: n bits, set where the value is missing; None if none is.
        ints: of `int` the values, of `mixed` the integers, of `text` the index of each row's text.
        floats: of `float` and `mixed` the values.
        bits: of `bool` the values, of `mixed` which rows are integers.
        texts: of `text` the distinct values.
        items: of `any` the values, as msgpack.
        json: the same as JSON with `Infinity`, where an integer within them is beyond 64 bits.
    """

    kind: Kind
    null: bytes | None = None
    ints: PackedInts | None = None
    floats: bytes | None = None
    bits: bytes | None = None
    texts: list[str] | None = None
    items: bytes | None = None
    json: bytes | None = None

    def unpack(self, n: int) -> Column:
        """Return the column.

        Raises:
            ValueError: it is not whole, or has not n rows.
        """
        null = None if self.null is None else _unpack_bits(self.null, n)
        if self.kind == "mixed":
            bits = _unpack_bits(_given(self.bits), n)
            return Column("mixed", self._floats(n), null, _integers(self.ints, n), bits)
        return Column(self.kind, self._values(n), null)

    def _floats(self, n: int) -> NDArray[np.float64]:
        return _array(_given(self.floats), _FLOAT, n).astype(np.float64)

    def _values(self, n: int) -> NDArray[Any]:
        if self.kind == "int":
            return _integers(self.ints, n)
        if self.kind == "float":
            return self._floats(n)
        if self.kind == "bool":
            return _unpack_bits(_given(self.bits), n)
        if self.kind == "text":
            return _pick(_given(self.texts), _integers(self.ints, n))
        items = json.loads(self.json) if self.json is not None else _from_msgpack(_given(self.items))
        if not isinstance(items, list) or len(items) != n:
            raise ValueError(f"these are not the values of {n} rows")
        return np.fromiter(items, object, n)


class Compactor:
    """Turns codes of a large dictionary into codes of the few entries that are used, in time linear in the rows."""

    def __init__(self) -> None:
        self._scratch: Ints = np.empty(1024, np.int64)

    def compact(self, codes: Ints, size: int) -> tuple[Ints, Ints]:
        """Return the distinct codes, and for each row the index of its code among them.

        Args:
            codes: shape (n,), from 0 to `size` - 1.
            size: of the dictionary.
        """
        if size > len(self._scratch):
            self._scratch = np.empty(2 * size, np.int64)
        scratch, rows = self._scratch, np.arange(len(codes))
        scratch[codes] = rows  # the last row of each code stands for it
        used = codes[scratch[codes] == rows]
        scratch[used] = np.arange(len(used))
        return used, scratch[codes]


class Packer:
    """Packs parts of one column; texts are looked up once for all parts.

    Args:
        column: of all rows.
        order: the rows in the order in which they are packed; None is as they are.
        compactor: for the dictionaries of the parts.
    """

    def __init__(self, column: Column, order: NDArray[np.intp] | None, compactor: Compactor) -> None:
        self._texts: list[str] = []
        self._compactor = compactor
        if column.kind == "text":
            items = column.values.tolist()
            index = {text: at for at, text in enumerate(dict.fromkeys(items))}
            codes = np.fromiter(map(index.__getitem__, items), np.int64, len(items))
            column = Column("text", codes, column.null)
            self._texts = list(index)
        self._column = column if order is None else column.take(order)

    def pack(self, start: int, stop: int) -> PackedColumn:
        """Return the rows `[start, stop)` packed."""
        column = self._column.take(slice(start, stop))
        null = None if column.null is None or not column.null.any() else _pack_bits(column.null)
        if column.kind == "text":
            used, codes = self._compactor.compact(column.values, len(self._texts))
            texts = self._texts
            return PackedColumn("text", null, pack(codes), texts=[texts[at] for at in used.tolist()])
        if column.kind == "int":
            return PackedColumn("int", null, pack(column.values))
        if column.kind == "bool":
            return PackedColumn("bool", null, bits=_pack_bits(column.values))
        if column.kind == "any":
            return _pack_any(column.values.tolist(), null)
        floats = column.values.astype(_FLOAT).tobytes()
        if column.kind == "float" or column.ints is None or column.integer is None:
            return PackedColumn("float", null, floats=floats)
        return PackedColumn("mixed", null, pack(column.ints), floats, _pack_bits(column.integer))


def _pack_any(items: list[Any], null: bytes | None) -> PackedColumn:
    try:
        return PackedColumn("any", null, items=_msgpack(items))
    except OverflowError:
        return PackedColumn("any", null, json=json.dumps(items).encode())


def _given(part: Any) -> Any:
    """Return a part that a column of its kind must have."""
    if part is None:
        raise ValueError("a part of a packed column is missing")
    return part


def _integers(part: PackedInts | None, n: int) -> Ints:
    packed: PackedInts = _given(part)
    return packed.unpack(n)


def _array(data: bytes, kind: str, n: int) -> NDArray[Any]:
    found = np.frombuffer(data, kind)
    if len(found) != n:
        raise ValueError(f"{len(found)} values for {n} rows")
    return found


def _pick(texts: list[str], codes: Ints) -> NDArray[Any]:
    if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < len(texts):
        raise ValueError(f"a code is beyond {len(texts)} texts")
    return np.fromiter(texts, object, len(texts))[codes]


def _pack_bits(mask: NDArray[np.bool_]) -> bytes:
    return np.packbits(mask).tobytes()


def _unpack_bits(data: bytes, n: int) -> NDArray[np.bool_]:
    return np.unpackbits(_array(data, "u1", (n + 7) // 8), count=n).astype(bool)
